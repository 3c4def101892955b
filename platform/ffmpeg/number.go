package ffmpeg

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// farFuture bounds every time read from a file: about 31 years. It is far from
// overflow, so that callers may add and subtract.
const farFuture = 1e9 * time.Second

// number reads a float; "N/A", NaN, infinities and nonsense are 0.
func number(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// seconds reads a time in seconds, rounded to microseconds and bounded by
// farFuture either way; what cannot be read is 0.
func seconds(s string) time.Duration {
	f := number(s)
	limit := farFuture.Seconds()
	f = max(-limit, min(limit, f))
	return time.Duration(math.Round(f*1e6)) * time.Microsecond
}

// microseconds reads a time in microseconds that is not negative.
func microseconds(s string) time.Duration {
	return time.Duration(min(count(s), farFuture.Microseconds())) * time.Microsecond
}

// Ratio is a fraction; 0/0 and the like mean unknown.
type Ratio struct{ Num, Den int64 }

// Float returns the quotient, 0 when unknown.
func (r Ratio) Float() float64 {
	if r.Num <= 0 || r.Den <= 0 {
		return 0
	}
	return float64(r.Num) / float64(r.Den)
}

// String gives the fraction as ffmpeg writes it in options.
func (r Ratio) String() string {
	return strconv.FormatInt(r.Num, 10) + "/" + strconv.FormatInt(r.Den, 10)
}

// ratio reads "30000/1001" or "4:3"; anything else is the zero Ratio.
func ratio(s string) Ratio {
	num, den, ok := strings.Cut(strings.Replace(s, ":", "/", 1), "/")
	if !ok {
		return Ratio{}
	}
	r := Ratio{count(num), count(den)}
	if r.Den == 0 {
		return Ratio{}
	}
	return r
}
