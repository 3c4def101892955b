package monitor

import "strconv"

// Entry is a line of a job's payload.
type Entry struct {
	Key    string
	Value  string
	Secret bool // shown to an admin who asks for it, and that is audited
}

// Hidden is what stands in the place of a secret.
const Hidden = "••••••"

// secretKeys are the entries that are hidden: how to reach a player, and what
// would let one guess the address of a private file.
var secretKeys = map[string]bool{"email": true, "original_key": true, "original_sha256": true}

// payload is what the job was given to work on.
func payload(d Detail) []Entry {
	all := []Entry{
		{Key: "task", Value: "process"}, {Key: "job_id", Value: d.ID.String()}, {Key: "video_id", Value: d.VideoID.String()}, {Key: "queue", Value: d.Queue},
	}
	if d.VideoExists {
		all = append(all, Entry{Key: "title", Value: d.Title}, Entry{Key: "start_seconds", Value: strconv.FormatFloat(d.Video.Start.Seconds(), 'f', -1, 64)},
			Entry{Key: "user_id", Value: d.Player.ID.String()}, Entry{Key: "player", Value: d.Player.Name}, Entry{Key: "email", Value: d.Player.Email},
			Entry{Key: "city", Value: d.Player.City}, Entry{Key: "original_key", Value: d.Original.Key}, Entry{Key: "original_sha256", Value: d.Original.SHA256},
			Entry{Key: "original_bytes", Value: strconv.FormatInt(d.Original.Bytes, 10)})
	}
	for i := range all {
		all[i].Secret = secretKeys[all[i].Key]
	}
	return all
}

// Redacted returns the payload without its secrets.
func Redacted(all []Entry) []Entry {
	out := make([]Entry, len(all))
	for i, e := range all {
		if e.Secret {
			e.Value = Hidden
		}
		out[i] = e
	}
	return out
}
