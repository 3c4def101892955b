// Command anb is the platform of the ANB Rising Stars Showcase.
package main

import (
	"context"
	_ "embed"
	"os"

	"anb/cmd"
)

//go:embed config.yaml
var defaults []byte

func main() {
	os.Exit(cmd.Execute(cmd.UntilSignal(context.Background()), defaults, os.Args[1:]))
}
