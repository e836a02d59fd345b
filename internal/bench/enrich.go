package bench

import (
	"context"
	"encoding/base64"
	"fmt"
	"runtime"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/internal/load"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// apiLatency is how long the fake Twilio thinks about each call.
const apiLatency = 5 * time.Millisecond

// The figures of the enricher.
const (
	figureGet         = "raw API GETs, 64 in flight at 5 ms, calls/s"
	figureGetNow      = "raw API GETs, 64 in flight at 0 ms, calls/s"
	figureTake        = "raw take and ack from a work queue, messages/s"
	figureTurns       = "enricher, one event a turn, events/s"
	figureTurnCalls   = "enricher, one event a turn, API calls per event"
	figureBursts      = "enricher, bursts of 8, events/s"
	figureBurstCalls  = "enricher, bursts of 8, API calls per event"
	figureEnricherCPU = "enricher, processor time per event, us"
	figureQueueCPU    = "NATS, processor time per event, us"
	figureTwilioCPU   = "fake Twilio, processor time per event, us"
	figureBusy        = "processors busy during turns, %"
	figureHotCalls    = "8 cold hot keys with 64 events each, API calls"
)

func turns(conversations int) load.TrafficConfig {
	return load.TrafficConfig{Conversations: conversations, Participants: 2, Mix: load.MessagesAlone, MessageBytes: 1024, Seed: 2}
}

// enrich measures the enricher against what it is made of: calls, takes and publishes.
func (b *Bench) enrich(ctx context.Context, m mode) error {
	if m == defaultSync {
		if err := b.rawGets(ctx); err != nil {
			return fmt.Errorf("measure raw GETs: %w", err)
		}
	}
	if err := b.rawTake(ctx, m); err != nil {
		return fmt.Errorf("measure a raw work queue: %w", err)
	}
	if err := b.turns(ctx, m, 1, b.size.turns, figureTurns, figureTurnCalls); err != nil {
		return fmt.Errorf("measure the enricher: %w", err)
	}
	if err := b.turns(ctx, m, 8, b.size.bursts, figureBursts, figureBurstCalls); err != nil {
		return fmt.Errorf("measure the enricher with bursts: %w", err)
	}
	return nil
}

// rawGets measures the fake Twilio, with a client that costs next to nothing.
func (b *Bench) rawGets(ctx context.Context) error {
	r, err := b.startRig(ctx, false, apiLatency, turns(b.size.most))
	if err != nil {
		return err
	}
	defer r.close()
	for _, step := range []struct {
		figure  string
		latency time.Duration
	}{{figureGet, apiLatency}, {figureGetNow, 0}} {
		if err := r.setLatency(ctx, step.latency); err != nil {
			return err
		}
		result, err := r.gets(ctx, b.size.calls, 0)
		if err != nil {
			return err
		}
		for _, m := range modes() {
			b.found(m, step.figure, result.Rate)
		}
	}
	return nil
}

// gets asks for the participants of n conversations, so many a second, or as many as 64 at a time can where rate is 0.
func (r *rig) gets(ctx context.Context, n int, rate float64) (load.Result, error) {
	clients, err := load.NewConnections(r.twilioURL, connections)
	if err != nil {
		return load.Result{}, err
	}
	defer clients.Close()
	shots := make(chan *load.Shot, n)
	login := base64.StdEncoding.EncodeToString([]byte(string(owner()) + ":" + token.Reveal()))
	for i := range n {
		var at time.Duration
		if rate > 0 {
			at = time.Duration(float64(i) / rate * float64(time.Second))
		}
		shots <- &load.Shot{At: at, Request: fmt.Appendf(nil, "GET /v1/Conversations/%s/Participants?PageSize=100 HTTP/1.1\r\nHost: %s\r\nAuthorization: Basic %s\r\n\r\n",
			r.traffic.Conversation(i%r.b.size.most), r.twilioURL[len("http://"):], login)}
	}
	close(shots)
	result, _ := load.Plan{Workers: connections, Rate: rate, Shots: shots, Do: clients.Post}.Run(ctx)
	if result.Failed > 0 {
		return result, fmt.Errorf("%d of %d calls had no 2xx (%v)", result.Failed, result.Done, result.Answers)
	}
	return result, ctx.Err()
}

// rawTake measures a work queue of the same messages: they are taken and acknowledged, and nothing else.
func (b *Bench) rawTake(ctx context.Context, m mode) error {
	r, err := b.startNATS(ctx, bool(m))
	if err != nil {
		return err
	}
	defer r.close()
	stream, err := r.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "BENCH", Subjects: []string{"rollcall.raw.>"}, Storage: jetstream.FileStorage, Retention: jetstream.WorkQueuePolicy, Replicas: 1,
	})
	if err != nil {
		return fmt.Errorf("make a stream: %w", err)
	}
	cfg := turns(b.size.most)
	cfg.Cast = sandbox.NewCast(owner())
	traffic := load.NewTraffic(cfg)
	n := b.size.webhooks[m]
	if err := r.queue(n, func() sandbox.Webhook { w, _, _ := traffic.Next(); return w }); err != nil {
		return err
	}
	rate, err := take(ctx, stream, n)
	if err != nil {
		return err
	}
	b.found(m, figureTake, rate)
	return nil
}

func take(ctx context.Context, stream jetstream.Stream, n int) (float64, error) {
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "bench", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 4000})
	if err != nil {
		return 0, fmt.Errorf("make a consumer: %w", err)
	}
	start, all, taken := time.Now(), make(chan struct{}), 0
	work, err := consumer.Consume(func(msg jetstream.Msg) {
		_ = msg.Ack() // one that is lost comes again, and is counted again: too fast by one
		if taken++; taken == n {
			close(all)
		}
	}, jetstream.PullMaxMessages(512))
	if err != nil {
		return 0, fmt.Errorf("consume: %w", err)
	}
	defer work.Stop()
	select {
	case <-all:
		return float64(n) / time.Since(start).Seconds(), nil
	case <-time.After(feedPatience):
		return 0, fmt.Errorf("take: only %d of %d came", taken, n)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// turns measures the enricher on turns of size events.
func (b *Bench) turns(ctx context.Context, m mode, size, count int, rateFigure, callsFigure string) error {
	r, err := b.startRig(ctx, bool(m), apiLatency, turns(b.size.most))
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.startEnricher(ctx); err != nil {
		return err
	}
	warm, err := r.newFeed(b.size.most, 1, size)
	if err != nil {
		return err
	}
	if _, err := warm.run(ctx); err != nil {
		return err
	}
	f, err := r.newFeed(b.size.most, count, size)
	if err != nil {
		return err
	}
	before, err := r.snapshot(ctx)
	if err != nil {
		return err
	}
	took, err := f.run(ctx)
	if err != nil {
		return err
	}
	after, err := r.snapshot(ctx)
	if err != nil {
		return err
	}
	n := float64(len(f.notes))
	b.found(m, rateFigure, n/took.Seconds())
	b.found(m, callsFigure, float64(after.calls-before.calls)/n)
	if size == 1 {
		b.foundTurnCosts(m, before, after, n, took)
	}
	return r.settle(ctx)
}

// snapshot is what a rig has taken and asked for so far.
type snapshot struct {
	cpu
	bench time.Duration // processor time of this process, which feeds
	calls int
}

func (r *rig) snapshot(ctx context.Context) (s snapshot, err error) {
	if s.cpu, err = r.cpu(); err != nil {
		return s, err
	}
	if s.bench, err = ownCPU(); err != nil {
		return s, err
	}
	s.calls, err = r.calls(ctx)
	return s, err
}

func (b *Bench) foundTurnCosts(m mode, before, after snapshot, n float64, took time.Duration) {
	each := func(from, to time.Duration) float64 { return float64((to - from).Microseconds()) / n }
	b.found(m, figureEnricherCPU, each(before.enricher, after.enricher))
	b.found(m, figureQueueCPU, each(before.nats, after.nats))
	b.found(m, figureTwilioCPU, each(before.twilio, after.twilio))
	busy := after.enricher - before.enricher + after.nats - before.nats + after.twilio - before.twilio + after.bench - before.bench
	b.found(m, figureBusy, 100*busy.Seconds()/took.Seconds()/float64(runtime.NumCPU()))
}

// hotKeys counts how often the API is called for conversations of which nothing is known yet and much comes at once.
func (b *Bench) hotKeys(ctx context.Context) error {
	for range b.size.rounds {
		if err := b.hotKeysOnce(ctx); err != nil {
			return fmt.Errorf("measure hot keys: %w", err)
		}
	}
	return nil
}

func (b *Bench) hotKeysOnce(ctx context.Context) error {
	r, err := b.startRig(ctx, false, apiLatency, turns(8))
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.startEnricher(ctx); err != nil {
		return err
	}
	if err := r.queue(8*64, r.webhook); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	calls, err := r.calls(ctx)
	if err != nil {
		return err
	}
	b.found(defaultSync, figureHotCalls, float64(calls))
	return nil
}
