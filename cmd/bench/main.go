// Command bench measures rollcall and what it is made of, in one run on one machine, and holds the figures against their goals.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/cmd/internal/signals"
	"github.com/rollcall-events/rollcall/internal/bareecho"
	"github.com/rollcall-events/rollcall/internal/bench"
	"github.com/rollcall-events/rollcall/internal/settings"
)

const description = `Measures ingest, the enricher and what they are made of: a bare Echo, raw JetStream publishes, raw API calls.
All of it runs as processes of its own on this machine, and is built from the source here.

  bench --docs docs     everything, into docs/BENCHMARKS.md
  bench --short         the same, small: does it work?

Ctrl-C stops what it has started, and removes what it has written. A second Ctrl-C does not wait for that: its files stay in the
temporary directory, and its processes may stay where the system is not Linux.

The exit code says whether everything could be measured and the ledger found nothing lost, twice or out of order. Goals that are
missed are told, and are no failure.`

type cli struct {
	Run      runCmd      `cmd:"" default:"withargs" help:"Measure. This is what runs when no command is named."`
	BareEcho bareEchoCmd `cmd:"" hidden:"" help:"Serve what ingest is measured against."`
}

type runCmd struct {
	Source   string        `placeholder:"DIR" default:"." help:"The module's root (${default})."`
	Short    bool          `help:"Measure little, to show that it works."`
	Rounds   int           `placeholder:"N" help:"Rounds of all that is measured in turn; by default 3, with --short 1."`
	Soak     time.Duration `placeholder:"DURATION" help:"How long to watch memory under load; by default 5m, with --short 3s."`
	Only     []string      `placeholder:"PART" help:"Measure only these, a comma between them: ${parts}."`
	Profiles string        `placeholder:"DIR" help:"Keep the processor profiles of ingest and the enricher there."`
	JSON     string        `name:"json" placeholder:"FILE" help:"Write the report as JSON."`
	Docs     string        `placeholder:"DIR" help:"Write the table into BENCHMARKS.md there, and plots beside it."`
}

type bareEchoCmd struct {
	Listen string `placeholder:"HOST:PORT" default:"127.0.0.1:0" help:"Address."`
}

func main() {
	if err := run(signals.Context(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c cli
	program := settings.Program{
		Name: "bench", Description: description, Getenv: func(string) string { return "" }, Stdout: stdout, Stderr: stderr,
		Vars: map[string]string{"parts": strings.Join(bench.Parts(), ", ")},
	}
	parsed, err := program.Parse(&c, args)
	if errors.Is(err, settings.ErrAnswered) {
		return nil
	}
	if err != nil {
		return err
	}
	if parsed.Command == "bare-echo" {
		return c.BareEcho.run(ctx)
	}
	return c.Run.run(ctx, strings.Join(append([]string{"go run ./cmd/bench"}, args...), " "), stdout, stderr)
}

func (c *bareEchoCmd) run(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return bareecho.Serve(ctx, l)
}

// check says what would come out only after all has been measured.
func (c *runCmd) check() error {
	if c.Docs != "" && c.Short {
		return errors.New("--docs is not for a --short run: its figures say nothing of speed")
	}
	if c.Docs != "" && len(c.Only) > 0 {
		return errors.New("--docs is for all parts: leave --only away")
	}
	if c.Docs != "" {
		if err := bench.CheckDocs(c.Docs); err != nil {
			return err
		}
	}
	if c.JSON != "" {
		if err := os.MkdirAll(filepath.Dir(c.JSON), 0o750); err != nil {
			return fmt.Errorf("make a directory for the report: %w", err)
		}
	}
	return nil
}

func (c *runCmd) run(ctx context.Context, command string, stdout, stderr io.Writer) error {
	if err := c.check(); err != nil {
		return err
	}
	report, err := bench.Run(ctx, bench.Config{Source: c.Source, Short: c.Short, Rounds: c.Rounds, Soak: c.Soak, Only: c.Only, Profiles: c.Profiles, Progress: stderr})
	if err != nil {
		return err
	}
	report.Command = command
	fmt.Fprintf(stdout, "\n%s", report.Text())
	if missed := report.Missed(); len(missed) > 0 && !c.Short {
		fmt.Fprintf(stdout, "\nmissed:\n  %s\n", strings.Join(missed, "\n  "))
	}
	if c.JSON != "" {
		b, err := report.JSON()
		if err != nil {
			return err
		}
		if err := os.WriteFile(c.JSON, b, 0o600); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	if c.Docs == "" {
		return nil
	}
	return report.Write(c.Docs)
}
