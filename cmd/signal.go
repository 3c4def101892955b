package cmd

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// UntilSignal returns a context that ends with the first signal that asks the
// process to end. A second one ends it at once, except SIGHUP, of which a
// terminal that goes away sends several. nohup is respected.
func UntilSignal(ctx context.Context) context.Context {
	asking := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		asking = append(asking, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(ctx, asking...)
	context.AfterFunc(ctx, func() {
		signal.Ignore(syscall.SIGHUP)
		stop()
	})
	return ctx
}
