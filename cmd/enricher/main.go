// Command enricher takes raw events from NATS, asks Twilio who is in their
// conversation, and publishes them enriched.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rollcall-events/rollcall/cmd/internal/heapfloor"
	"github.com/rollcall-events/rollcall/cmd/internal/signals"
	"github.com/rollcall-events/rollcall/internal/settings"
)

// version is set by the linker for images. Where it is empty, settings.Version reads it off the binary.
var version string

// The exit codes.
const (
	exitOK       = 0
	exitFailure  = 1
	exitSettings = 2 // wrong settings or arguments: starting again does not help
)

func main() {
	heapfloor.Keep(os.Getenv)
	os.Exit(run(signals.Context(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run does what args ask for until it is done or ctx is, and returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	var cli commands
	parsed, err := program(getenv, stdout, stderr).Parse(&cli, args)
	switch {
	case errors.Is(err, settings.ErrAnswered):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "enricher: these settings are wrong:\n%v\n", err)
		return exitSettings
	case cli.Check:
		fmt.Fprintln(stdout, "enricher: the settings are good")
		return exitOK
	}
	switch command, _, _ := strings.Cut(parsed.Command, " "); command {
	case "dead":
		err = dead(ctx, &cli.Dead, parsed.Command, newConsole(stdout, stderr))
	case "provision":
		err = provision(ctx, &cli.Provision, stdout, stderr)
	default:
		err = enrichEvents(ctx, &cli.Run, parsed, getenv, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "enricher: %v\n", err)
		return exitFailure
	}
	return exitOK
}
