package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/internal/settings"
	"github.com/rollcall-events/rollcall/validation"
)

// demoCmd is everything in one process.
type demoCmd struct {
	Account account `embed:""`

	Once        bool          `help:"End after the story, with a summary; the exit code says whether everything came out right."`
	Dir         string        `placeholder:"DIR" help:"Keep the streams and the log here; by default in a directory that is removed at the end."`
	Listen      string        `group:"webhooks" placeholder:"HOST:PORT" default:"127.0.0.1:8080" help:"Address for webhooks; when it is taken, a free port."`
	NATSListen  string        `name:"nats-listen" placeholder:"HOST:PORT" default:"127.0.0.1:4222" help:"Address of the NATS server (${default}); when it is taken, a free port."`
	PublicURL   string        `group:"webhooks" placeholder:"URL" help:"Base URL that webhooks are signed for, when there is a proxy or tunnel in front; of a list the first."`
	StepTimeout time.Duration `placeholder:"DURATION" default:"15s" help:"How long to wait for what one webhook brings (${default})."`
	Faults      faultsFlag    `placeholder:"JSON" help:"What the fake Twilio does wrong, as a list: '[{\"times\":2,\"status\":429,\"retry_after\":\"1\"}]', or @FILE with one. \"sandbox twilio --help\" tells all."`
}

func (c *demoCmd) check() (ps settings.Problems) {
	settings.CheckListen(&ps, "ROLLCALL_LISTEN", c.Listen)
	settings.CheckListen(&ps, "--nats-listen", c.NATSListen)
	if _, err := validation.NewVerifier(strings.Split(c.PublicURL, ",")); c.PublicURL != "" && err != nil {
		ps.Add("ROLLCALL_PUBLIC_URL", "is not a base URL", "give http:// or https:// and a host, without the route")
	}
	if c.StepTimeout <= 0 {
		ps.Add("--step-timeout", "is not positive", "give a duration such as 15s")
	}
	return ps
}

func (c *demoCmd) run(ctx context.Context, p *printer) (err error) {
	dir, remove, err := c.directory()
	if err != nil {
		return err
	}
	defer func() {
		if err == nil || ctx.Err() != nil {
			remove()
		} else {
			p.line("The log is in %s", filepath.Join(dir, logName))
		}
	}()
	log, closeLog, err := openLog(dir)
	if err != nil {
		return err
	}
	defer closeLog()
	return c.demonstrate(ctx, p, dir, log)
}

// demonstrate starts everything and tells the story. Then, unless c.Once is set, it shows
// what comes until ctx is done.
func (c *demoCmd) demonstrate(ctx context.Context, p *printer, dir string, log *slog.Logger) (err error) {
	cast, token := c.Account.cast(), c.Account.token()
	world := sandbox.NewWorld(cast.State(token))
	pipe, ctx, err := startPipeline(ctx, pipelineConfig{
		dir: filepath.Join(dir, "jetstream"), listen: c.Listen, natsListen: c.NATSListen, publicURL: c.PublicURL,
		account: cast.Account, token: token, world: world, faults: c.Faults, log: log,
	})
	if err != nil {
		return err
	}
	defer func() {
		if failed := pipe.stop(); failed != nil {
			err = failed // any other error follows from it
		}
	}()
	ctx, conn, err := dial(ctx, settings.NATS{URL: pipe.nats})
	if err != nil {
		return err
	}
	defer conn.Close()
	w, err := watch(ctx, conn, jetstream.DeliverNewPolicy, allStages()...)
	if err != nil {
		return err
	}
	defer w.stop()
	t := &teller{
		sender: sandbox.Sender{Target: pipe.webhooks, Public: pipe.public, Key: token},
		change: func(_ context.Context, change func(*sandbox.State)) error { world.Change(change); return nil },
		seen:   w.seen, timeout: c.StepTimeout, printer: p, checklist: newChecklist(),
	}
	c.welcome(p, pipe)
	if err := tellStory(ctx, t, cast); err != nil {
		return err
	}
	if c.Once {
		return t.checklist.err()
	}
	world.Replace(cast.State(token)) // so that webhooks that are sent by hand find the whole cast
	c.invite(p, pipe, t.sender, cast)
	return showUntilDone(ctx, p, &t.order, w.seen)
}

// tellStory tells the scenario and prints the summary.
func tellStory(ctx context.Context, t *teller, cast sandbox.Cast) error {
	steps, err := sandbox.Scenario(cast, time.Now())
	if err != nil {
		return err
	}
	if err := t.tell(ctx, steps); err != nil {
		return err
	}
	if t.seen == nil {
		t.checklist.printAnswers(t.printer)
		return nil
	}
	t.checklist.close()
	t.checklist.print(t.printer)
	return nil
}

func showUntilDone(ctx context.Context, p *printer, o *order, seen <-chan sighting) error {
	for {
		select {
		case s := <-seen:
			for _, s := range o.take(s) {
				p.later(s)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// directory returns where to keep everything, and what to call to remove it.
func (c *demoCmd) directory() (dir string, remove func(), err error) {
	if c.Dir != "" {
		if err := os.MkdirAll(c.Dir, 0o700); err != nil {
			return "", nil, fmt.Errorf("make directory: %w", err)
		}
		return c.Dir, func() {}, nil
	}
	if dir, err = os.MkdirTemp("", "rollcall-sandbox-"); err != nil {
		return "", nil, fmt.Errorf("make directory: %w", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil // if that fails, it stays behind
}

const logName = "sandbox.log"

// openLog returns a logger for the services, whose lines would clutter the terminal.
func openLog(dir string) (log *slog.Logger, closeLog func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, logName), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open log: %w", err)
	}
	return slog.New(slog.NewTextHandler(f, nil)), func() { _ = f.Close() }, nil
}
