package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/cmd/internal/process"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/settings"
)

// deadCommands is everything that an operator can do about what could not be enriched.
type deadCommands struct {
	LS     deadList   `cmd:"" name:"ls" help:"List dead letters, the oldest first, without what anybody wrote."`
	Show   deadShow   `cmd:"" help:"Show one dead letter whole, as JSON. It holds what people wrote, their names and addresses: for your eyes alone."`
	Replay deadReplay `cmd:"" help:"Send letters through the pipeline again, each as a new event that names the old one, and remove them. Do it once the cause is put right."`
	RM     deadRemove `cmd:"" name:"rm" help:"Remove letters for good, without a replay."`
}

const deadHelp = `  enricher dead ls                                    lists them, each with its number
  enricher dead ls --reason not_found --since 24h
  enricher dead show 17                               shows letter 17 whole, what people wrote included
  enricher dead replay 17 18                          sends two through the pipeline again
  enricher dead replay --reason overdue --key CH...   sends some through the pipeline again
  enricher dead rm --reason corrupt --yes             removes some for good

A letter is named by its number, or by the id of its event. Digits alone are a number: write id:17 for the event whose id
is 17. All take --json, for programs: one object a line.
Each can be stopped at any moment and run again: no letter is replayed twice. Letters that are named and not there any more are told, with
exit code 1, and the others are done.
Log in to NATS as its user "operator".`

// Help implements kong.HelpProvider.
func (deadCommands) Help() string { return deadHelp }

// DeadAccess is what all of them are given.
type DeadAccess struct {
	settings.NATS `embed:""`
	JSON          bool `name:"json" help:"Print one JSON object a line, for programs."`
}

// console is where the operator sits.
type console struct {
	in       io.Reader
	out, err io.Writer
	asks     bool // in is a terminal: somebody can answer
	shows    bool // err is a terminal: somebody watches
}

func newConsole(stdout, stderr io.Writer) console {
	return console{os.Stdin, stdout, stderr, isTerminal(os.Stdin), isTerminal(stderr)}
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull) // a character device too, and no terminal
	return err != nil || !os.SameFile(info, null)
}

// dead runs the subcommand that path names, such as "dead ls".
func dead(ctx context.Context, s *deadCommands, path string, con console) error {
	words := strings.Fields(path)
	switch words[1] {
	case "show":
		return withBroker(ctx, &s.Show.DeadAccess, func(conn *broker.Conn) error { return s.Show.run(ctx, conn, con) })
	case "replay":
		return withBroker(ctx, &s.Replay.DeadAccess, func(conn *broker.Conn) error { return s.Replay.run(ctx, conn, con) })
	case "rm":
		return withBroker(ctx, &s.RM.DeadAccess, func(conn *broker.Conn) error { return s.RM.run(ctx, conn, con) })
	default:
		return withBroker(ctx, &s.LS.DeadAccess, func(conn *broker.Conn) error { return s.LS.run(ctx, conn, con) })
	}
}

// connectWait is how long a command waits for NATS: somebody waits for the command.
const connectWait = 5 * time.Second

// withBroker calls f with a connection, once it is there.
func withBroker(ctx context.Context, s *DeadAccess, f func(*broker.Conn) error) error {
	conn, err := broker.Connect(ctx, s.Broker("operator", nil, nil))
	if err != nil {
		return err
	}
	defer process.Close(ctx, conn.Close, slog.New(slog.DiscardHandler)) // everything has been acknowledged
	if err := awaitNATS(ctx, conn); err != nil {
		return err
	}
	return explain(ctx, conn, f(conn))
}

func awaitNATS(ctx context.Context, conn *broker.Conn) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.NewTimer(connectWait)
	defer deadline.Stop()
	for {
		err := conn.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-deadline.C:
			return err
		case <-ctx.Done():
			return errStopped
		}
	}
}

// errStopped is what a command that was told to stop ends with.
var errStopped = errors.New("stopped; run it again to go on")

// stopped returns err, or errStopped in place of an error once ctx is done.
func stopped(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errStopped
	}
	return err
}

// count is a number of things in words.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
