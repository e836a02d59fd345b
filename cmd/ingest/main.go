// Command ingest is the webhook target: it verifies what Twilio sends, stores it in NATS
// and only then answers. `ingest --help` says how it is set up.
//
// Its exit code is 0 after a clean stop and after --help, --version or a --check that finds nothing, 1 when it
// could not start or stopped because of an error, and 2 when a flag or a setting is wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rollcall-events/rollcall/cmd/internal/heapfloor"
	"github.com/rollcall-events/rollcall/cmd/internal/signals"
	"github.com/rollcall-events/rollcall/internal/settings"
)

const (
	exitOK = iota
	exitFailed
	exitUsage
)

// version is set by the linker: -X main.version=….
var version string

func main() {
	heapfloor.Keep(os.Getenv)
	os.Exit(run(signals.Context(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run is the whole command: it serves until ctx is done and returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	var c cli
	parsed, err := c.parse(args, getenv, stdout, stderr)
	switch {
	case errors.Is(err, settings.ErrAnswered):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "ingest: these settings are wrong:\n%v\n", err)
		return exitUsage
	case c.OnlyCheck:
		fmt.Fprintln(stdout, "ingest: the settings are good")
		return exitOK
	}
	if err := serve(ctx, &c, parsed, getenv, stderr); err != nil {
		fmt.Fprintln(stderr, "ingest:", err)
		return exitFailed
	}
	return exitOK
}
