package processing

import "time"

// startPhones are about the moment that the player chose.
func startPhones() []phone {
	slow := []string{"-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-crf", "14"}
	with := func(base []string, more ...string) []string { return append(append([]string{}, base...), more...) }
	long := func(codec ...string) shot { return shot{card: testCard{frames: 120}, codec: codec} }
	ms := time.Millisecond
	return []phone{
		{group: "Start", input: "on a picture, one key picture in the file (-g 250)", start: 1500 * ms, shot: long(with(slow, "-g", "250", "-bf", "3")...)},
		{group: "Start", input: "between two pictures, at the next", start: 1234 * ms, shot: long(with(slow, "-g", "250", "-bf", "3")...)},
		{group: "Start", input: "a thousandth before a picture", start: 1299 * ms, shot: long(with(slow, "-g", "30", "-bf", "2")...)},
		{group: "Start", input: "in an open group, before its key picture is shown", start: 650 * ms, shot: long(with(slow, "-g", "20", "-bf", "3", "-flags", "-cgop", "-x264opts", "open-gop=1")...)},
		{group: "Start", input: "too late: so early that enough is left", start: 3500 * ms, from: 2, shot: long(with(slow, "-g", "30")...)},
		{group: "Start", input: "beyond the end", start: time.Hour, from: 2, shot: long(with(slow, "-g", "250")...)},
		{group: "Start", input: "in a clip shorter than what is used of one", start: 500 * ms, from: -1, count: 37, shot: shot{card: testCard{frames: 37}}},
		{group: "Start", input: "HEVC with B-pictures and one key picture", start: 1233 * ms, shot: long("-c:v", "libx265", "-preset", "ultrafast", "-crf", "16", "-tag:v", "hvc1", "-x265-params", "log-level=error:pools=1:frame-threads=1:bframes=3:keyint=250")},
		{group: "Start", input: "HEVC with open groups (iPhone)", start: 1233 * ms, shot: long("-c:v", "libx265", "-preset", "ultrafast", "-crf", "16", "-tag:v", "hvc1", "-x265-params", "log-level=error:pools=1:frame-threads=1:bframes=3:keyint=20:min-keyint=20:open-gop=1")},
		{group: "Start", input: "in fragments", start: 1234 * ms, shot: shot{card: testCard{frames: 120}, silent: true, output: []string{"-movflags", "+frag_keyframe+delay_moov"}}},
		{group: "Start", input: "recorded by a browser", start: 1234 * ms, note: "only where webm is switched on", limits: func(l *Limits) { l.Formats = []string{"webm"} },
			shot: shot{card: testCard{frames: 120}, name: "clip.webm", silent: true, codec: []string{"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M", "-g", "100"}, output: []string{"-live", "1"}}},
		{group: "Start", input: "variable rate", start: 1500 * ms,
			shot:  shot{card: testCard{frames: 120}, filter: "settb=1/90000,setpts='N*3000+mod(N*7,5)*300'", output: []string{"-fps_mode", "passthrough", "-enc_time_base", "1:90000", "-video_track_timescale", "90000"}},
			times: spaced(120, func(i int) float64 { return float64(i)/30 + float64(i*7%5)/300 })},
		{group: "Start", input: "pictures that begin a second late, start in the gap", start: 500 * ms, from: -1, shot: shot{filter: "setpts=PTS+1/TB", card: testCard{frames: 90}}},
		{group: "Start", input: "pictures that begin a second late, start after the gap", start: 1500 * ms, from: 0.5, shot: shot{filter: "setpts=PTS+1/TB", card: testCard{frames: 90}}},
		{group: "Start", input: "cut on the phone by an edit list", start: 700 * ms, from: 1.2, shot: shot{card: testCard{frames: 120}, then: steps{editedFrom("0.5")}}},
	}
}
