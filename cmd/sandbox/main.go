// Command sandbox runs all of rollcall in one process, with nothing to install: a NATS server, a
// fake Twilio, the ingest and the enricher, and a story that shows what they do.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/rollcall-events/rollcall/cmd/internal/signals"
	"github.com/rollcall-events/rollcall/internal/settings"
)

func main() {
	// A closed terminal or pipe ends it like Ctrl-C does, so that nothing stays behind. Only a second Ctrl-C leaves the directory.
	ctx := signals.Context(syscall.SIGHUP, syscall.SIGPIPE)
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}

// run is the command. It returns nil when it is interrupted.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	var c cli
	parsed, err := c.parse(args, getenv, stdout, stderr)
	if errors.Is(err, settings.ErrAnswered) {
		return nil
	}
	if err != nil {
		return err
	}
	p := newPrinter(stdout, styled(stdout, getenv))
	switch parsed.Command {
	case "twilio":
		err = c.Twilio.run(ctx, p)
	case "send":
		err = c.Send.run(ctx, p)
	case "load":
		err = c.Load.run(ctx, p, stdout)
	case "tail":
		err = c.Tail.run(ctx, p)
	default:
		err = c.Demo.run(ctx, p)
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}
