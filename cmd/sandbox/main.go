// Command sandbox runs all of rollcall in one process, with nothing to install: a NATS server, a
// fake Twilio, the ingest and the enricher, and a story that shows what they do.
//
// Its exit code is 0 after a good end and when it is interrupted, 1 when something failed or came out wrong, and 2 when
// a flag or a setting is wrong.
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
	os.Exit(exitCode(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr), os.Stderr))
}

const (
	exitOK = iota
	exitFailed
	exitUsage
)

// usageError is something wrong with the arguments or the settings, before anything is done.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// exitCode tells err, if there is one, and returns the code for it.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "sandbox:", err)
	if _, wrong := errors.AsType[usageError](err); wrong {
		return exitUsage
	}
	return exitFailed
}

// run is the command. It returns nil when it is interrupted.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	var c cli
	parsed, err := c.parse(args, getenv, stdout, stderr)
	if errors.Is(err, settings.ErrAnswered) {
		return nil
	}
	if err != nil {
		return usageError{err}
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
