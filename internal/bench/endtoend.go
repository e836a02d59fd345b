package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/internal/load"
)

// endToEndRate is how many webhooks a second there are.
const endToEndRate = 200

// The figures from the time at which a webhook was meant to be sent until its enriched event came, less what the API alone takes.
const (
	figureAPIAlone    = "raw API GETs at 200/s, p50, ms"
	figureEndP50      = "end to end at 200/s, p50 above the API's own, ms"
	figureEndP99      = "end to end at 200/s, p99 above the API's own, ms"
	figureEndBurstP50 = "end to end at 200/s with bursts, p50 above the API's own, ms"
	figureEndBurstP99 = "end to end at 200/s with bursts, p99 above the API's own, ms"
)

func (b *Bench) endToEnd(ctx context.Context, m mode) error {
	for _, step := range []struct {
		bursts   bool
		p50, p99 string
	}{{false, figureEndP50, figureEndP99}, {true, figureEndBurstP50, figureEndBurstP99}} {
		alone, h, err := b.endToEndOnce(ctx, m, step.bursts)
		if err != nil {
			return fmt.Errorf("measure end to end: %w", err)
		}
		b.found(m, figureAPIAlone, alone)
		b.found(m, step.p50, float64(h.ValueAtPercentile(50))/1000-alone)
		b.found(m, step.p99, float64(h.ValueAtPercentile(99))/1000-alone)
	}
	return nil
}

// endToEndOnce returns the median of what the API alone takes at the same rate, in milliseconds, and what events took.
func (b *Bench) endToEndOnce(ctx context.Context, m mode, bursts bool) (alone float64, took *hdrhistogram.Histogram, err error) {
	r, err := b.startRig(ctx, bool(m), apiLatency, load.TrafficConfig{
		Conversations: b.size.most, Participants: 2, Mix: load.RealMix, Skew: 1.1, Bursts: bursts, MessageBytes: 1024, Seed: 3,
	})
	if err != nil {
		return 0, nil, err
	}
	defer r.close()
	if err := errors.Join(r.startIngest(ctx), r.startEnricher(ctx)); err != nil {
		return 0, nil, err
	}
	n := int(endToEndRate * b.size.endToEnd.Seconds())
	gets, err := r.gets(ctx, n/2, endToEndRate)
	if err != nil {
		return 0, nil, err
	}
	if err := r.steady(ctx, n/10); err != nil { // to warm up
		return 0, nil, err
	}
	watch, err := r.watch(ctx)
	if err != nil {
		return 0, nil, err
	}
	defer watch.stop()
	took, err = watch.measure(ctx, n)
	return gets.Latency.P50, took, err
}

// steady sends n webhooks at endToEndRate and waits until they have come out.
func (r *rig) steady(ctx context.Context, n int) error {
	_, notes, err := r.b.post(ctx, posting{name: "webhooks", url: r.ingestURL, traffic: r.traffic, n: n, rate: endToEndRate})
	if err != nil {
		return err
	}
	load.Enter(r.ledger, notes)
	return r.stored.Settle(ctx, r.ledger.Owed())
}

// arrivals notes when each enriched event comes.
type arrivals struct {
	r    *rig
	sub  jetstream.ConsumeContext
	mu   sync.Mutex
	came map[string]time.Time // by event ID
}

// watch follows ENRICHED as a consumer does, who sees an event when it is stored.
func (r *rig) watch(ctx context.Context) (*arrivals, error) {
	a := &arrivals{r: r, came: map[string]time.Time{}}
	stream, err := r.js.StreamNameBySubject(ctx, "rollcall.enriched.>")
	if err != nil {
		return nil, fmt.Errorf("find the stream of enriched events: %w", err)
	}
	consumer, err := r.js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{"rollcall.enriched.>"}, DeliverPolicy: jetstream.DeliverNewPolicy,
	})
	if err != nil {
		return nil, fmt.Errorf("follow enriched events: %w", err)
	}
	if a.sub, err = consumer.Consume(a.take); err != nil {
		return nil, fmt.Errorf("follow enriched events: %w", err)
	}
	return a, nil
}

func (a *arrivals) take(m jetstream.Msg) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.came[m.Headers().Get(jetstream.MsgIDHeader)] = now
}

func (a *arrivals) stop() {
	a.sub.Stop()
	<-a.sub.Closed()
}

// measure sends n webhooks and returns how long each took from when it was meant to be sent.
func (a *arrivals) measure(ctx context.Context, n int) (*hdrhistogram.Histogram, error) {
	clients, err := load.NewConnections(a.r.ingestURL, connections)
	if err != nil {
		return nil, err
	}
	defer clients.Close()
	source := load.Source{Traffic: a.r.traffic, Schedule: load.NewSchedule(endToEndRate, 3), Target: load.Target{URL: a.r.ingestURL, Key: token}}
	shots, err := source.Prepare(ctx, n)
	if err != nil {
		return nil, err
	}
	meant := make(map[string]time.Duration, n)
	var mu sync.Mutex
	do := func(ctx context.Context, worker int, shot *load.Shot) int {
		mu.Lock()
		meant[shot.Webhook.IDs[0]] = shot.At
		mu.Unlock()
		return clients.Post(ctx, worker, shot)
	}
	start := time.Now()
	result, notes := load.Plan{Workers: connections, Rate: endToEndRate, Shots: shots, Do: do}.Run(ctx)
	if result.Failed > 0 {
		return nil, fmt.Errorf("%d of %d webhooks had no 2xx (%v)", result.Failed, result.Done, result.Answers)
	}
	load.Enter(a.r.ledger, notes)
	if err := a.r.settle(ctx); err != nil {
		return nil, err
	}
	if err := a.all(ctx, len(meant)); err != nil {
		return nil, err
	}
	return a.since(start, meant)
}

// all waits until n events have come.
func (a *arrivals) all(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, feedPatience)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		a.mu.Lock()
		came := len(a.came)
		a.mu.Unlock()
		if came >= n {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for enriched events: %d of %d came: %w", came, n, ctx.Err())
		}
	}
}

func (a *arrivals) since(start time.Time, meant map[string]time.Duration) (*hdrhistogram.Histogram, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := hdrhistogram.New(1, (10 * time.Minute).Microseconds(), 3)
	for id, at := range meant {
		came, ok := a.came[id]
		if !ok {
			return nil, errors.New("an event is in the stream that did not come to its consumer")
		}
		if err := h.RecordValue(max(1, came.Sub(start.Add(at)).Microseconds())); err != nil {
			return nil, fmt.Errorf("note a latency: %w", err)
		}
	}
	return h, nil
}
