package monitor

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"anb/modules/monitor/chart"
	"anb/modules/monitor/drain"
	"anb/modules/monitor/search"
)

// functions are what templates may call in a language.
func (m *Module) functions(lang string) template.FuncMap {
	t := func(es, en string) string { return pick(lang, es, en) }
	return template.FuncMap{
		"t":        t,
		"state":    func(s State) stateWord { return stateWords(lang, s) },
		"worker":   func(s WorkerState) stateWord { return workerWords(lang, s) },
		"states":   States,
		"problem":  func(p Problem) string { return problemWords(lang, p) },
		"stage":    func(s string) string { return stageWords(lang, s) },
		"outcome":  func(s string) string { return outcomeWords(lang, s) },
		"reason":   func(code string) string { return m.deps.Explain(strings.ToUpper(code)) },
		"action":   func(a string) string { return actionWords(lang, a) },
		"duration": func(d time.Duration) string { return localised(lang, shortDuration(d)) },
		"eta":      func(r drain.Result) string { return drainWords(lang, r) },
		"bytes":    func(n int64) string { return localised(lang, sizeWords(n)) },
		"number":   func(n int64) string { return groupDigits(lang, n) },
		"many":     func(n int64, es1, es, en1, en string) string { return manyWords(lang, n, es1, es, en1, en) },
		"capped": func(n int64) string {
			if n > maxCount {
				return groupDigits(lang, maxCount) + "+"
			}
			return groupDigits(lang, n)
		},
		"decimal": func(f float64, digits int) string { return decimal(lang, f, digits) },
		"percent": func(f float64) string { return decimal(lang, f*100, 1) + " %" },
		"rate":    func(n int64) string { return decimal(lang, float64(n)/15, 1) },
		"zero":    func(x time.Time) bool { return x.IsZero() },
		"since":   func(now, x time.Time) string { return sinceWords(lang, now.Sub(x)) },
		"stamp":   func(x time.Time) string { return x.UTC().Format("2006-01-02 15:04:05 UTC") },
		"iso":     func(x time.Time) string { return x.UTC().Format(time.RFC3339Nano) },
		"poster": func(key string) string {
			if key == "" {
				return ""
			}
			return m.deps.Links.Poster(key)
		},
		"short":      shortID,
		"link":       jobsLink,
		"slots":      slotGauge,
		"gauge":      func(busy, slots int64) string { return slotGauge(int(busy), int(slots)) },
		"withState":  func(base string, s State) string { return withTerm(base, "state", string(s)) },
		"groupQuery": groupQuery,
		"left": func(j Job, now time.Time) string {
			if d, ok := j.Left(now); ok {
				return localised(lang, shortDuration(d))
			}
			return ""
		},
		"video": func(key string) string {
			if key == "" {
				return ""
			}
			return m.deps.Links.Video(key)
		},
		"original": func(d Detail) string {
			if !d.VideoExists {
				return ""
			}
			return m.deps.Links.Original(d.VideoID)
		},
		"spark": chart.Spark,
		"int":   func(f float64) int { return int(f) },
		"add":   func(a, b int) int { return a + b },
		"dict":  dict,
		"until": func(now, x time.Time) string { return localised(lang, shortDuration(x.Sub(now))) },
		"path":  url.PathEscape,
	}
}

func pick(lang, es, en string) string {
	if lang == english {
		return en
	}
	return es
}

// dict makes arguments for a template that is called by another.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict wants pairs")
	}
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		k, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict wants names")
		}
		out[k] = pairs[i+1]
	}
	return out, nil
}

// shortID is the part of an id that differs among recent ones: a UUIDv7 begins
// with the time.
func shortID(id uuid.UUID) string {
	s := id.String()
	return s[:8] + "…" + s[len(s)-6:]
}

// jobsLink is the address of the jobs that a search finds.
func jobsLink(query string) string { return "/jobs?" + url.Values{"q": {query}}.Encode() }

// withTerm is jobsLink of a search with key:value in place of its terms of that
// key; without them when value is empty.
func withTerm(base, key, value string) string {
	q, err := search.Parse(base)
	if err != nil {
		q = search.Query{}
	}
	if value == "" {
		return jobsLink(q.Without(search.Key(key)).String())
	}
	return jobsLink(q.With(search.Key(key), value).String())
}

// groupQuery is the search that finds a group of the dead-letter list.
func groupQuery(g Group) string {
	return search.Query{}.With(search.KeyState, search.Dead).With(search.KeyError, g.Fingerprint).String()
}

// slotGauge draws slots, full ones first.
func slotGauge(busy, slots int) string {
	if slots > 16 {
		return strconv.Itoa(busy) + "/" + strconv.Itoa(slots)
	}
	return strings.Repeat("■", min(busy, slots)) + strings.Repeat("□", max(0, slots-busy))
}

// shortDuration is d in its two greatest units.
func shortDuration(d time.Duration) string {
	switch d = max(0, d); {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d m %02d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %02d m", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}

// localised writes a number as a language does.
func localised(lang, s string) string { return strings.Replace(s, ".", pick(lang, ",", "."), 1) }

// axisDuration is a number of seconds in one unit, short enough for an axis.
func axisDuration(lang string, seconds float64) string {
	for _, u := range []struct {
		length float64
		name   string
	}{{3600, "h"}, {60, "min"}, {1, "s"}} {
		if seconds >= 2*u.length || seconds >= 1 && u.length == 1 {
			return localised(lang, strconv.FormatFloat(seconds/u.length, 'g', 3, 64)) + " " + u.name
		}
	}
	return strconv.FormatFloat(seconds*1000, 'f', 0, 64) + " ms"
}

// sinceWords is how long ago something was.
func sinceWords(lang string, d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return pick(lang, "ahora", "now")
	case d < time.Minute:
		d = d.Truncate(10 * time.Second)
		return pick(lang, fmt.Sprintf("hace %d s", int(d.Seconds())), fmt.Sprintf("%d s ago", int(d.Seconds())))
	case d < time.Hour:
		return pick(lang, fmt.Sprintf("hace %d min", int(d.Minutes())), fmt.Sprintf("%d min ago", int(d.Minutes())))
	case d < 48*time.Hour:
		return pick(lang, fmt.Sprintf("hace %d h", int(d.Hours())), fmt.Sprintf("%d h ago", int(d.Hours())))
	}
	return pick(lang, fmt.Sprintf("hace %d días", int(d.Hours())/24), fmt.Sprintf("%d days ago", int(d.Hours())/24))
}

// sizeWords is a number of bytes in binary units.
func sizeWords(n int64) string {
	if n < 0 {
		return "–"
	}
	f, unit := float64(n), 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for f >= 1024 && unit < len(units)-1 {
		f, unit = f/1024, unit+1
	}
	if unit == 0 || f >= 100 {
		return fmt.Sprintf("%.0f %s", f, units[unit])
	}
	return fmt.Sprintf("%.1f %s", f, units[unit])
}

// manyWords is a number of things, with the word for one or for more.
func manyWords(lang string, n int64, es1, es, en1, en string) string {
	if n == 1 {
		es, en = es1, en1
	}
	return groupDigits(lang, n) + " " + pick(lang, es, en)
}

func groupDigits(lang string, n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + pick(lang, "\u00a0", ",") + s[i:]
	}
	return s
}

func decimal(lang string, f float64, digits int) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "–"
	}
	return strings.Replace(strconv.FormatFloat(f, 'f', digits, 64), ".", pick(lang, ",", "."), 1)
}

// logLine is a line of ffmpeg's, told apart when it looks like the error.
type logLine struct {
	Number int
	Text   string
	Error  bool
}

// logLines splits what ffmpeg said. Control characters were taken out when it
// was written down; they are here again, for what older versions wrote.
func logLines(s string) []logLine {
	var out []logLine
	for l := range strings.Lines(s) {
		l = strings.Map(func(r rune) rune {
			if control(r) && r != '\t' {
				return -1
			}
			return r
		}, strings.TrimSuffix(l, "\n"))
		out = append(out, logLine{len(out) + 1, l, errorLine(l)})
	}
	return out
}

// errorWords are what lines that tell of a failure contain, in lower case.
var errorWords = []string{"error", "invalid", "failed", "not found", "no space", "cannot", "unable", "killed", "corrupt", "moov"}

func errorLine(l string) bool {
	l = strings.ToLower(l)
	for _, w := range errorWords {
		if strings.Contains(l, w) {
			return true
		}
	}
	return false
}
