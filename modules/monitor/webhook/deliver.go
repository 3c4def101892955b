package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// message is an alert as it is posted. Chats that show the text of a webhook
// show this one's.
type message struct {
	ID      string             `json:"id"`
	Kind    Kind               `json:"kind"`
	Phase   Phase              `json:"phase"`
	Subject string             `json:"subject"`
	Since   time.Time          `json:"since"`
	At      time.Time          `json:"at"`
	Values  map[string]float64 `json:"values"`
	Text    string             `json:"text"`
}

func encode(a Alert) ([]byte, error) {
	m := message{a.ID(), a.Kind, a.Phase, a.Subject, a.Since.UTC(), a.At.UTC(), a.Values, a.Text}
	return json.Marshal(m, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
}

const (
	firstPause = 7 * time.Second // doubles each time: seven pauses are a quarter of an hour
	maxPause   = 15 * time.Minute
)

// deliver tries until the receiver takes d, refuses it for good, or eight tries
// have failed.
func (s *Sender) deliver(ctx context.Context, t *target, d delivery) {
	for try := range tries {
		no := s.post(ctx, t, d)
		if no == nil {
			return
		}
		attrs := append(t.attrs(d), slog.Any("error", no.cause))
		if !no.again || try == tries-1 {
			s.Log.ErrorContext(ctx, "alert not delivered", attrs...)
			return
		}
		pause := time.Duration(float64(firstPause<<try) * (0.8 + 0.4*s.jitter()))
		if !s.rest(ctx, min(max(pause, no.after), maxPause)) {
			s.Log.WarnContext(ctx, "alert not delivered, stopping", attrs...)
			return
		}
	}
}

// rest reports whether d passed before ctx ended.
func (s *Sender) rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
	case <-s.After(d):
	}
	return ctx.Err() == nil
}

// refusal is an answer other than success, or none.
type refusal struct {
	cause error
	again bool          // another try may help
	after time.Duration // as the receiver asks
}

// post tries once. A try that is under way when ctx ends gets a little longer.
func (s *Sender) post(ctx context.Context, t *target, d delivery) *refusal {
	try, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		select {
		case <-s.After(grace):
			cancel()
		case <-try.Done():
		}
	})()
	req, err := http.NewRequestWithContext(try, http.MethodPost, t.url, bytes.NewReader(d.body))
	if err != nil {
		return &refusal{cause: bare(err)}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "anb-monitor")
	req.Header.Set("Anb-Delivery", d.id.String())
	req.Header.Set("Anb-Signature", sign(s.Secret, s.Now(), d.body))
	resp, err := s.client.Do(req)
	if err != nil {
		return &refusal{cause: bare(err), again: true}
	}
	defer resp.Body.Close()
	// What it says is of no interest, but a connection that is read to its end is used again.
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	return s.judge(resp)
}

// bare is a client's error without the URL, which may have a secret in it.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func (s *Sender) judge(resp *http.Response) *refusal {
	code := resp.StatusCode
	if code >= 200 && code < 300 {
		return nil
	}
	r := &refusal{cause: fmt.Errorf("the receiver answered %d", code)}
	switch code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		r.again = true
	default:
		r.again = code >= 500
	}
	r.after = retryAfter(resp.Header.Get("Retry-After"), s.Now())
	return r
}

// retryAfter reads seconds or a date; zero says that there is neither.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// sign makes the header by which a receiver knows that the body is ours, and
// from now: t=<Unix seconds>,v1=<HMAC-SHA256 of "t.body", hexadecimal>.
func sign(secret string, now time.Time, body []byte) string {
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(at + "."))
	mac.Write(body)
	return "t=" + at + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
