// Package httpserver is the frame around handlers: one place that turns errors
// into answers, strict JSON, request ids, real client addresses, deadlines.
package httpserver

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// Config says where and how the API is served.
type Config struct {
	Addr            string        `mapstructure:"addr"`             // host:port
	PublicURL       string        `mapstructure:"public_url"`       // makes addresses in answers absolute; may be empty
	TrustedProxies  []string      `mapstructure:"trusted_proxies"`  // whose X-Forwarded-For is believed
	AllowedOrigins  []string      `mapstructure:"allowed_origins"`  // for CORS; empty: none
	ReadTimeout     time.Duration `mapstructure:"read_timeout"`     // for a request, and for each chunk of an upload
	MinRate         int64         `mapstructure:"min_rate"`         // bytes a second of an upload; 0: any
	WriteTimeout    time.Duration `mapstructure:"write_timeout"`    // for an answer, and for each chunk of a stream
	ShutdownDelay   time.Duration `mapstructure:"shutdown_delay"`   // not ready, still accepting
	ShutdownGrace   time.Duration `mapstructure:"shutdown_grace"`   // for requests that are under way
	MaxHeaderBytes  int           `mapstructure:"max_header_bytes"` // a larger header is 431
	MaxRequestBytes int64         `mapstructure:"max_json_bytes"`   // a larger JSON body is 413
	MaxConnections  int           `mapstructure:"max_connections"`  // open at once; more wait to be accepted; 0: any number
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	var errs []error
	if _, port, err := net.SplitHostPort(c.Addr); err != nil {
		errs = append(errs, fmt.Errorf("http.addr %q is not host:port (ANB_HTTP_ADDR)", c.Addr))
	} else if _, err := net.LookupPort("tcp", port); err != nil {
		errs = append(errs, fmt.Errorf("http.addr %q has no valid port (ANB_HTTP_ADDR)", c.Addr))
	}
	if c.PublicURL != "" {
		if u, err := url.Parse(c.PublicURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			errs = append(errs, fmt.Errorf("http.public_url %q is not http(s)://host (ANB_HTTP_PUBLIC_URL)", c.PublicURL))
		}
	}
	if _, err := ParseProxies(c.TrustedProxies); err != nil {
		errs = append(errs, fmt.Errorf("http.trusted_proxies holds %w (ANB_HTTP_TRUSTED_PROXIES)", err))
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"read_timeout", c.ReadTimeout}, {"write_timeout", c.WriteTimeout}, {"shutdown_grace", c.ShutdownGrace}} {
		if d.value <= 0 {
			errs = append(errs, fmt.Errorf("http.%s must be positive, such as 30s", d.key))
		}
	}
	if c.ShutdownDelay < 0 {
		errs = append(errs, errors.New("http.shutdown_delay must not be negative (ANB_HTTP_SHUTDOWN_DELAY)"))
	}
	if c.MaxHeaderBytes < 4096 {
		errs = append(errs, errors.New("http.max_header_bytes must be at least 4096 (ANB_HTTP_MAX_HEADER_BYTES)"))
	}
	if c.MaxRequestBytes < 1024 {
		errs = append(errs, errors.New("http.max_json_bytes must be at least 1024 (ANB_HTTP_MAX_JSON_BYTES)"))
	}
	if c.MinRate < 0 {
		errs = append(errs, errors.New("http.min_rate must not be negative; 0 is any rate (ANB_HTTP_MIN_RATE)"))
	}
	if c.MaxConnections < 0 {
		errs = append(errs, errors.New("http.max_connections must not be negative; 0 is any number (ANB_HTTP_MAX_CONNECTIONS)"))
	}
	return errors.Join(errs...)
}
