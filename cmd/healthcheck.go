package cmd

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func healthcheckCommand(g *global) *cobra.Command {
	var url string
	c := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a running server whether it is healthy (for containers without curl)",
		Long:  "Exits 0 when the server answers 200 within three seconds, else 1.",
		Example: `  anb healthcheck
  anb healthcheck --url http://127.0.0.1:8000/readyz`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if url == "" {
				config, _, err := g.load(nil)
				if err != nil {
					return err
				}
				host, port, err := net.SplitHostPort(config.HTTP.Addr)
				if err != nil {
					return usageError{fmt.Errorf("http.addr: %w", err)}
				}
				if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
					host = "127.0.0.1" // what listens everywhere listens here
				}
				url = "http://" + net.JoinHostPort(host, port) + "/health"
			}
			return healthcheck(cmd.Context(), url)
		},
	}
	c.Flags().StringVar(&url, "url", "", "what to ask (default: /health on http.addr)")
	return c
}

func healthcheck(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return usageError{err}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("not healthy: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not healthy: %s answered %s", url, resp.Status)
	}
	return nil
}
