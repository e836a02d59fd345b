package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/internal/settings"
)

// sendCmd sends signed webhooks.
type sendCmd struct {
	Account account       `embed:""`
	NATS    settings.NATS `embed:""`

	Target      string        `placeholder:"URL" default:"http://127.0.0.1:8080" help:"Base URL of the ingest (${default})."`
	PublicURL   string        `group:"webhooks" placeholder:"URL" help:"Base URL that the ingest was told it has, which signatures cover; of a list the first. By default TARGET."`
	Count       int           `placeholder:"N" help:"Send N webhooks of KIND instead of the story."`
	Kind        string        `placeholder:"NAME" default:"onMessageAdded" help:"With --count: Twilio's name of an event (${default}), such as PARTICIPANT_ADDED or com.twilio.conversations.message.added, or \"all\" for every one there is."`
	Twilio      string        `placeholder:"URL" help:"Base URL of the fake Twilio, whose world the story changes. Without it the world stays as it is, and not all of the story is true."`
	Verify      bool          `help:"Read what is stored at NATS_URL, and judge every enriched event of the story too."`
	StepTimeout time.Duration `placeholder:"DURATION" default:"15s" help:"With --verify: how long to wait for what one webhook brings (${default})."`
	Settle      time.Duration `placeholder:"DURATION" default:"1s" help:"Without --verify: how long to leave to the enricher before the story changes the world (${default})."`
}

// Help implements kong.HelpProvider.
func (c *sendCmd) Help() string {
	return `The webhooks are signed with TWILIO_AUTH_TOKEN from the environment, or with the sandbox's own
token when there is none.

  sandbox send --count 5                        five messages
  sandbox send --count 1 --kind all             one of every kind, on every feed that has it
  sandbox send --twilio http://127.0.0.1:8090   the story, its world changing in the fake Twilio`
}

func (c *sendCmd) check() (ps settings.Problems) {
	for setting, text := range map[string]string{
		"--target": c.Target, "ROLLCALL_PUBLIC_URL": c.public(), "--twilio": c.Twilio,
	} {
		if u, err := url.Parse(text); text != "" && (err != nil || u.Host == "" || !strings.HasPrefix(u.Scheme, "http")) {
			ps.Add(setting, "is not a base URL", "give http:// or https:// and a host")
		}
	}
	if c.Count < 0 {
		ps.Add("--count", "is negative", "give the number of webhooks to send")
	}
	if c.Count > 0 && len(c.samples()) == 0 {
		ps.Add("--kind", fmt.Sprintf("is %q, which names no webhook", c.Kind), "give Twilio's name of an event, such as onMessageAdded, or all")
	}
	return ps
}

func (c *sendCmd) public() string {
	one, _, _ := strings.Cut(c.PublicURL, ",")
	return one
}

func (c *sendCmd) sender() sandbox.Sender {
	return sandbox.Sender{Target: c.Target, Public: c.public(), Key: c.Account.token()}
}

func (c *sendCmd) run(ctx context.Context, p *printer) error {
	if c.Count > 0 {
		return c.sendSamples(ctx, p)
	}
	cast := c.Account.cast()
	world := &remoteWorld{base: c.Twilio, world: sandbox.NewWorld(cast.State(c.Account.token()))}
	t := &teller{
		sender: c.sender(), change: c.settled(world.change), timeout: c.StepTimeout, printer: p, checklist: newChecklist(),
	}
	if err := world.put(ctx); err != nil {
		return err
	}
	if c.Verify {
		stop, err := c.watch(ctx, t)
		if err != nil {
			return err
		}
		defer stop()
	}
	if err := tellStory(ctx, t, cast); err != nil {
		return err
	}
	return t.checklist.err()
}

// watch lets t see what is stored.
func (c *sendCmd) watch(ctx context.Context, t *teller) (stop func(), err error) {
	ctx, conn, err := dial(ctx, c.NATS)
	if err != nil {
		return nil, err
	}
	w, err := watch(ctx, conn, jetstream.DeliverNewPolicy, allStages()...)
	if err != nil {
		conn.Close()
		return nil, because(ctx, err)
	}
	t.seen = w.seen
	return func() {
		w.stop()
		conn.Close()
	}, nil
}

// settled returns change with a pause before it, in which the enricher can finish what was sent before; without one where
// that is awaited anyway.
func (c *sendCmd) settled(change worldChange) worldChange {
	if c.Verify || c.Twilio == "" {
		return change
	}
	return func(ctx context.Context, edit func(*sandbox.State)) error {
		timer := time.NewTimer(c.Settle)
		defer timer.Stop()
		select {
		case <-timer.C:
			return change(ctx, edit)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sendSamples sends Count webhooks of every kind that was asked for.
func (c *sendCmd) sendSamples(ctx context.Context, p *printer) error {
	t := &teller{sender: c.sender(), printer: p, checklist: newChecklist()}
	samples := c.samples()
	for range c.Count {
		for _, sample := range samples {
			w, err := sample(time.Now())
			if err != nil {
				return err
			}
			if err := t.send(ctx, sandbox.Step{Webhook: w, Status: 200}); err != nil {
				return err
			}
		}
	}
	t.checklist.printAnswers(p)
	return t.checklist.err()
}

// samples returns a function that makes a webhook for every kind and feed that Kind names.
func (c *sendCmd) samples() (samples []func(time.Time) (sandbox.Webhook, error)) {
	cast := c.Account.cast()
	for _, k := range events.Kinds() {
		for _, feed := range sandbox.Feeds(k) {
			name := k.Name
			if feed == events.FeedEventStreams {
				name = k.Stream
			}
			if slices.Contains([]string{name, "all"}, c.Kind) {
				samples = append(samples, func(at time.Time) (sandbox.Webhook, error) { return sandbox.Sample(cast, k, feed, at) })
			}
		}
	}
	return samples
}
