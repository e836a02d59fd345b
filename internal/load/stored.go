package load

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// stages are those whose streams a ledger reads, in the order in which it needs them.
func stages() []events.Stage {
	return []events.Stage{events.StageRaw, events.StageEnriched, events.StageDead}
}

// patience is how long nothing may come out of the pipeline before the rest counts as lost.
const patience = 2 * time.Minute

// Stored is what the streams have stored since a mark: what came of a run. Nobody else may send during it.
type Stored struct {
	js    jetstream.JetStream
	marks map[events.Stage]mark
}

// mark is where a stream ended.
type mark struct {
	stream string
	last   uint64 // sequence
}

// Mark returns a Stored that begins at the present end of the streams.
func Mark(ctx context.Context, js jetstream.JetStream) (*Stored, error) {
	s := &Stored{js: js, marks: map[events.Stage]mark{}}
	for _, stage := range stages() {
		name, err := js.StreamNameBySubject(ctx, pattern(stage))
		if err != nil {
			return nil, fmt.Errorf("find the stream of %s events (has an enricher declared it?): %w", stage, err)
		}
		stream, err := js.Stream(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("look at the stream of %s events: %w", stage, err)
		}
		s.marks[stage] = mark{name, stream.CachedInfo().State.LastSeq}
	}
	return s, nil
}

// pattern returns the filter for every event of a stage. It is needed even within the stage's stream, which may hold other messages
// too.
func pattern(stage events.Stage) string { return events.Pattern(stage, "", "", "", "") }

// atMost returns how many messages of any kind a stage's stream has stored since the mark. That is cheap to ask.
func (s *Stored) atMost(ctx context.Context, stage events.Stage) (int, error) {
	stream, err := s.js.Stream(ctx, s.marks[stage].stream)
	if err != nil {
		return 0, fmt.Errorf("look at the stream of %s events: %w", stage, err)
	}
	return int(stream.CachedInfo().State.LastSeq - s.marks[stage].last), nil //nolint:gosec // not that many
}

// Count returns how many events of a stage have been stored since the mark.
func (s *Stored) Count(ctx context.Context, stage events.Stage) (int, error) {
	m := s.marks[stage]
	consumer, err := s.js.CreateConsumer(ctx, m.stream, jetstream.ConsumerConfig{
		FilterSubject: pattern(stage), AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: m.last + 1,
	})
	if err != nil {
		return 0, fmt.Errorf("count %s events: %w", stage, err)
	}
	if err := s.js.DeleteConsumer(ctx, m.stream, consumer.CachedInfo().Name); err != nil {
		return 0, fmt.Errorf("count %s events: %w", stage, err)
	}
	return int(consumer.CachedInfo().NumPending), nil //nolint:gosec // not that many
}

// out returns how many events have come out. While that is certainly less than owed, it returns an upper bound, which is cheaper.
func (s *Stored) out(ctx context.Context, owed int) (out int, err error) {
	for _, ask := range []func(context.Context, events.Stage) (int, error){s.atMost, s.Count} {
		enriched, err := ask(ctx, events.StageEnriched)
		if err != nil {
			return 0, err
		}
		dead, err := ask(ctx, events.StageDead)
		if err != nil {
			return 0, err
		}
		if out = enriched + dead; out < owed {
			break
		}
	}
	return out, nil
}

// Settle waits until as many events have come out as owed, or none has for so long that the rest will not. Whether they are the
// right ones is for the ledger to judge.
func (s *Stored) Settle(ctx context.Context, owed int) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	last, since := -1, time.Now()
	for {
		out, err := s.out(ctx, owed)
		if err != nil {
			return err
		}
		if out != last {
			last, since = out, time.Now()
		}
		if out >= owed || time.Since(since) > patience {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Judge records everything that was stored since the mark in ledger, and returns its verdict.
func (s *Stored) Judge(ctx context.Context, ledger *sandbox.Ledger) (sandbox.Verdict, error) {
	for _, stage := range stages() {
		if err := s.read(ctx, stage, ledger); err != nil {
			return sandbox.Verdict{}, fmt.Errorf("read the stream of %s events: %w", stage, err)
		}
	}
	return ledger.Judge(), nil
}

func (s *Stored) read(ctx context.Context, stage events.Stage, ledger *sandbox.Ledger) error {
	n, err := s.Count(ctx, stage)
	if err != nil || n == 0 {
		return err
	}
	m := s.marks[stage]
	consumer, err := s.js.OrderedConsumer(ctx, m.stream, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{pattern(stage)}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: m.last + 1,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1000))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for range n {
		msg, err := messages.Next(jetstream.NextMaxWait(10 * time.Second))
		if err != nil {
			return err
		}
		ledger.Stored(stage, msg.Data())
	}
	return nil
}
