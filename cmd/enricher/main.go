// Command enricher takes raw events from NATS, asks Twilio who is in their
// conversation, and publishes them enriched. `enricher --help` says how it is set up.
//
// Its exit code is 0 after a clean stop and after --help, --version or a --check that finds nothing, 1 when it
// could not start or stopped because of an error, and 2 when a flag or a setting is wrong.
package main

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/rollcall-events/rollcall/cmd/internal/heapfloor"
	"github.com/rollcall-events/rollcall/cmd/internal/process"
	"github.com/rollcall-events/rollcall/cmd/internal/signals"
	"github.com/rollcall-events/rollcall/internal/settings"
)

// version is set by the linker for images: -X main.version=…. Where it is empty, settings.Version reads it off the binary.
var version string

func main() {
	heapfloor.Keep(os.Getenv)
	os.Exit(run(signals.Context(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run does what args ask for until it is done or ctx is, and returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	var cli commands
	return process.Main(program(getenv, stdout, stderr), &cli, &cli.Flags, args, func(parsed settings.Parsed) error {
		switch command, _, _ := strings.Cut(parsed.Command, " "); command {
		case "dead":
			return dead(ctx, &cli.Dead, parsed.Command, newConsole(stdout, stderr))
		case "provision":
			return provision(ctx, &cli.Provision, stdout, stderr)
		default:
			return enrichEvents(ctx, &cli.Run, parsed, stderr)
		}
	})
}
