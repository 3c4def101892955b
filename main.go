// Command anb is the platform of the ANB Rising Stars Showcase.
package main

import (
	"context"
	_ "embed"
	"os"
	"os/signal"
	"syscall"

	"anb/cmd"
)

//go:embed config.yaml
var defaults []byte

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(cmd.Execute(ctx, defaults, os.Args[1:]))
}
