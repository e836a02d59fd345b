package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/load"
	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/internal/settings"
)

// loadCmd puts an ingest under load.
type loadCmd struct {
	Account account  `embed:""`
	NATS    loadNATS `embed:""`

	Target        string        `placeholder:"URL" default:"http://127.0.0.1:8080" help:"Base URL of the ingest (${default})."`
	PublicURL     string        `group:"webhooks" placeholder:"URL" help:"Base URL that the ingest was told it has, which signatures cover; of a list the first. By default TARGET."`
	Rate          float64       `placeholder:"N" default:"200" help:"Webhooks a second on average (${default}), each sent at a time of its own whether others are answered or not: an open loop. 0 sends each connection's next one when the last is answered: a closed loop."`
	Connections   int           `placeholder:"N" default:"64" help:"Connections, and so webhooks under way at once (${default})."`
	Duration      time.Duration `placeholder:"DURATION" default:"30s" help:"How long to send (${default})."`
	Conversations int           `placeholder:"N" default:"500" help:"Conversations that the webhooks are about (${default}), by Zipf's law."`
	Seed          uint64        `placeholder:"N" default:"1" help:"The same seed sends the same webhooks at the same times (${default}), but for their idempotency tokens."`
	Size          int           `placeholder:"BYTES" default:"1024" help:"How large a message's form is (${default})."`
	Patience      time.Duration `placeholder:"DURATION" default:"2m" help:"With NATS_URL: how long nothing may come out before the rest is given up, and how long NATS may be away (${default})."`
	Twilio        string        `placeholder:"URL" help:"Base URL of a fake Twilio that is to know the conversations. Without it the enricher is told that there are no such conversations."`
	JSON          string        `name:"json" placeholder:"FILE" help:"Write the result as JSON; - for the standard output, and then nothing else is written there."`
	Plot          string        `placeholder:"FILE" help:"Write an SVG of latency by percentile, and of throughput over time."`
}

// loadNATS is settings.NATS without a default URL: without one, no NATS is asked.
type loadNATS struct {
	URL          string `name:"nats-url" group:"nats" placeholder:"URL,..." help:"Servers of NATS. When given, a ledger of what was sent is held against what is stored there at the end; nobody else may send meanwhile."`
	Creds        string `name:"nats-creds" group:"nats" placeholder:"FILE" help:"Credentials file (.creds) to log in to NATS with."`
	NKeySeedFile string `name:"nats-nkey-seed-file" group:"nats" placeholder:"FILE" help:"File with the nkey seed to log in to NATS with, instead of NATS_CREDS."`
}

func (n *loadNATS) settings() settings.NATS {
	return settings.NATS{URL: n.URL, Creds: n.Creds, NKeySeedFile: n.NKeySeedFile}
}

// Help implements kong.HelpProvider.
func (c *loadCmd) Help() string {
	return `Webhooks come as in real traffic: 80 % messages, 10 % delivery receipts, 10 % participants, some conversations far
busier than others, some speaking several times in a row. They are signed with TWILIO_AUTH_TOKEN from the environment, or with
the sandbox's own token when there is none. Latency counts from the time at which a webhook was meant to be sent, so that a
stall of the ingest shows in every webhook that it delays.

  sandbox load --duration 10s                                       against "sandbox" in another terminal
  sandbox load --rate 0 --connections 64 --plot load.svg            as much as it takes
  sandbox load --nats-url nats://127.0.0.1:4222 --twilio http://127.0.0.1:8090 --rate 500 --duration 1m

With NATS_URL it reads the streams of RAW, QUEUE, ENRICHED and DEAD, as the user admin of deploy/nats for instance. Another user needs
the rights to publish to $JS.API.STREAM.NAMES, $JS.API.STREAM.LIST, $JS.API.STREAM.INFO.* and $JS.API.CONSUMER.>, and to subscribe to _INBOX_consumer.>.

With NATS_URL it waits until all is enriched or dead, and fails when anything that was answered with 2xx was lost, came twice,
came out of order, or is dead (without --twilio: for another reason than not_found). The exit code also says whether every
webhook was answered with 2xx.`
}

func (c *loadCmd) check() (ps settings.Problems) {
	for setting, text := range map[string]string{
		"--target": c.Target, "ROLLCALL_PUBLIC_URL": c.target().Public, "--twilio": c.Twilio,
	} {
		if u, err := url.Parse(text); text != "" && (err != nil || u.Host == "" || !strings.HasPrefix(u.Scheme, "http")) {
			ps.Add(setting, "is not a base URL", "give http:// or https:// and a host")
		}
	}
	if nats := c.NATS.settings(); nats.URL != "" {
		ps = append(ps, nats.Check()...)
	}
	if c.Patience <= 0 {
		ps.Add("--patience", "is not positive", "give a duration such as 2m")
	}
	for setting, wrong := range map[string]bool{
		"--rate": c.Rate < 0 || c.Rate > 1e6, "--connections": c.Connections < 1 || c.Connections > 10_000,
		"--conversations": c.Conversations < 1, "--size": c.Size < 0 || c.Size > 1<<20,
	} {
		if wrong {
			ps.Add(setting, "is out of range", "see --help")
		}
	}
	if c.Duration <= 0 {
		ps.Add("--duration", "is not positive", "give a duration such as 30s")
	}
	return ps
}

func (c *loadCmd) target() load.Target {
	public, _, _ := strings.Cut(c.PublicURL, ",")
	return load.Target{URL: c.Target, Public: public, Key: c.Account.token()}
}

func (c *loadCmd) traffic(cast sandbox.Cast) *load.Traffic {
	cfg := load.TrafficConfig{
		Cast: cast, Conversations: c.Conversations, Participants: 2, Mix: load.RealMix, Skew: 1.1, Bursts: true,
		MessageBytes: c.Size, Seed: c.Seed,
	}
	if c.Twilio == "" {
		cfg.MayBeDead = []events.Reason{events.ReasonNotFound}
	}
	return load.NewTraffic(cfg)
}

func (c *loadCmd) run(ctx context.Context, p *printer, stdout io.Writer) error {
	if c.JSON == "-" {
		p = newPrinter(io.Discard, false)
	}
	cast := c.Account.cast()
	traffic := c.traffic(cast)
	if err := c.prepareTwilio(ctx, cast, traffic); err != nil {
		return err
	}
	judging, judge, closeJudge, err := c.judge(ctx)
	if err != nil {
		return err
	}
	defer closeJudge()
	result, notes, err := c.send(ctx, p, traffic)
	if err != nil {
		return err
	}
	p.line("\n%s", result.Table())
	report := loadReport{Result: result}
	var wrong error
	if judge != nil {
		verdict, err := c.settle(judging, p, judge, notes)
		if err != nil {
			return because(judging, err)
		}
		report.Ledger, wrong = &verdict.outcome, verdict.err()
	}
	return errors.Join(report.write(stdout, c.JSON), report.plot(c.Plot), wrong, report.err())
}

// prepareTwilio adds the conversations to the fake Twilio's world, if there is one.
func (c *loadCmd) prepareTwilio(ctx context.Context, cast sandbox.Cast, traffic *load.Traffic) error {
	world := &remoteWorld{base: c.Twilio, world: sandbox.NewWorld(cast.State(c.Account.token()))}
	return world.change(ctx, traffic.World)
}

// send sends webhooks for c.Duration.
func (c *loadCmd) send(ctx context.Context, p *printer, traffic *load.Traffic) (load.Result, []load.Note, error) {
	connections, err := load.NewConnections(c.Target, c.Connections)
	if err != nil {
		return load.Result{}, nil, err
	}
	defer connections.Close()
	source := load.Source{Traffic: traffic, Schedule: load.NewSchedule(c.Rate, c.Seed), Target: c.target()}
	sending, stop := context.WithCancel(ctx)
	defer stop()
	if c.Rate == 0 {
		defer time.AfterFunc(c.Duration, stop).Stop()
	}
	shots, made := source.Stream(sending, c.lastShot())
	plan := load.Plan{
		Name: "webhooks", Workers: c.Connections, Rate: c.Rate, Shots: shots, Do: connections.Post,
		Told: func(point load.Point) { p.line("%s", point) },
	}
	result, notes := plan.Run(sending)
	stop()
	return result, notes, made()
}

// lastShot returns when the last webhook of an open loop is scheduled at the latest; 0 for a closed loop.
func (c *loadCmd) lastShot() time.Duration {
	if c.Rate == 0 {
		return 0
	}
	return c.Duration
}

// judge returns what reads the streams at the end, its context, and what closes its connection; nil when no NATS is given.
func (c *loadCmd) judge(ctx context.Context) (context.Context, *load.Stored, func(), error) {
	if c.NATS.URL == "" {
		return ctx, nil, func() {}, nil
	}
	ctx, conn, err := dial(ctx, c.NATS.settings())
	if err != nil {
		return nil, nil, nil, err
	}
	js, err := jetstream.New(conn)
	if err == nil {
		var stored *load.Stored
		if stored, err = load.Mark(ctx, js); err == nil {
			stored.Patience = c.Patience
			return ctx, stored, conn.Close, nil
		}
	}
	conn.Close()
	return nil, nil, nil, fmt.Errorf("prepare to judge: %w", because(ctx, err))
}

// settle waits until everything has come out, and judges it.
func (c *loadCmd) settle(ctx context.Context, p *printer, stored *load.Stored, notes []load.Note) (judged, error) {
	ledger := sandbox.NewLedger()
	load.Enter(ledger, notes)
	p.line("waiting for %d events to come out", ledger.Owed())
	stopTelling := tellQueued(ctx, p, stored)
	err := stored.Settle(ctx, ledger.Owed())
	stopTelling()
	if err != nil {
		return judged{}, err
	}
	verdict, err := stored.Judge(ctx, ledger)
	if err != nil {
		return judged{}, err
	}
	queued := 0
	if verdict.Lost > 0 {
		if queued, err = stored.Queued(ctx); err != nil {
			return judged{}, err
		}
	}
	j := judged{verdict, load.OutcomeOf(verdict).Waiting(queued)}
	p.line("%s", j.outcome)
	return j, nil
}

// tellQueued says from time to time how many events are queued, until stop is called.
func tellQueued(ctx context.Context, p *printer, stored *load.Stored) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var telling sync.WaitGroup
	telling.Go(func() {
		tick := time.NewTicker(tellEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if n, err := stored.Queued(ctx); err == nil && n > 0 { // Settle tells of an error that lasts
				p.line("%d events are queued: if that stays so, see the enricher's /readyz", n)
			}
		}
	})
	return func() {
		cancel()
		telling.Wait()
	}
}

// tellEvery is how often a load that waits tells what it waits for.
const tellEvery = 10 * time.Second

// judged is a verdict, and the outcome that knows of what is queued.
type judged struct {
	verdict sandbox.Verdict
	outcome load.Outcome
}

// err returns nil if everything came out as it must. What is queued may yet do.
func (j judged) err() error {
	if j.outcome.Queued == 0 {
		return j.verdict.Err()
	}
	waiting := fmt.Errorf("%d events are still queued: see the enricher's /readyz", j.outcome.Queued)
	rest := j.verdict
	if rest.Lost = j.outcome.Lost; rest.Err() == nil {
		return waiting
	}
	return errors.Join(waiting, rest.Err())
}
