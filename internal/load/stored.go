package load

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// stages are those whose streams a ledger reads, in the order in which it needs them.
func stages() []events.Stage {
	return []events.Stage{events.StageRaw, events.StageEnriched, events.StageDead}
}

const (
	// patience is how long nothing may come out of the pipeline before the rest counts as lost, and how long NATS may be away.
	patience = 2 * time.Minute
	look     = 50 * time.Millisecond // between two looks at the streams
	silence  = 10 * time.Second      // how long a message may take before it is asked for anew
)

// Stored is what the streams have stored since a mark: what came of a run. Nobody else may send during it.
type Stored struct {
	js       jetstream.JetStream
	marks    map[events.Stage]mark
	queue    string        // the stream of what waits to be worked on; "" for none
	Patience time.Duration // how long nothing may come out before the rest is given up, and how long NATS may be away; 2 min
	silence  time.Duration
}

// mark is where a stream ended.
type mark struct {
	stream string
	last   uint64 // sequence
}

// Mark returns a Stored that begins at the present end of the streams.
func Mark(ctx context.Context, js jetstream.JetStream) (*Stored, error) {
	s := &Stored{js: js, marks: map[events.Stage]mark{}, Patience: patience, silence: silence}
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
	var err error
	if s.queue, err = queueOf(ctx, js, s.marks[events.StageRaw].stream); err != nil {
		return nil, err
	}
	return s, nil
}

// pattern returns the filter for every event of a stage. It is needed even within the stage's stream, which may hold other messages
// too.
func pattern(stage events.Stage) string { return events.Pattern(stage, "", "", "", "") }

// queueOf returns the name of the stream that takes from raw what is to be worked on, which has no subjects to find it by; "" when there is none.
func queueOf(ctx context.Context, js jetstream.JetStream, raw string) (string, error) {
	streams := js.ListStreams(ctx)
	name := ""
	for info := range streams.Info() {
		if info.Config.Retention == jetstream.WorkQueuePolicy &&
			slices.ContainsFunc(info.Config.Sources, func(from *jetstream.StreamSource) bool { return from.Name == raw }) {
			name = info.Config.Name
		}
	}
	if err := streams.Err(); err != nil {
		return "", fmt.Errorf("find the stream of queued events: %w", err)
	}
	return name, nil
}

// Queued returns how many events wait to be worked on, whoever sent them; 0 where nothing queues any.
func (s *Stored) Queued(ctx context.Context) (int, error) {
	if s.queue == "" {
		return 0, nil
	}
	stream, err := s.js.Stream(ctx, s.queue)
	if err != nil {
		return 0, fmt.Errorf("look at the stream of queued events: %w", err)
	}
	return int(stream.CachedInfo().State.Msgs), nil //nolint:gosec // not that many
}

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
	return s.countFrom(ctx, stage, s.marks[stage].last+1)
}

func (s *Stored) countFrom(ctx context.Context, stage events.Stage, first uint64) (int, error) {
	stream := s.marks[stage].stream
	consumer, err := s.js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
		FilterSubject: pattern(stage), AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: first,
	})
	if err != nil {
		return 0, fmt.Errorf("count %s events: %w", stage, err)
	}
	if err := s.js.DeleteConsumer(ctx, stream, consumer.CachedInfo().Name); err != nil {
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
// right ones is for the ledger to judge. While NATS does not answer nothing comes out, and that is an error only when it lasts.
func (s *Stored) Settle(ctx context.Context, owed int) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	last, since := -1, time.Now()
	for {
		var out int
		away, err := s.insist(ctx, func() (err error) {
			out, err = s.out(ctx, owed)
			return err
		})
		if err != nil {
			return err
		}
		if since = since.Add(away); out != last {
			last, since = out, time.Now()
		}
		if out >= owed || time.Since(since) > s.Patience {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// insist tries until it succeeds, or has failed for as long as there is patience. away is how long it failed.
func (s *Stored) insist(ctx context.Context, try func() error) (away time.Duration, err error) {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for began := time.Now(); ; {
		err := try()
		if err == nil {
			return away, nil
		}
		if away = time.Since(began); away > s.Patience {
			return away, fmt.Errorf("NATS has not answered as it should for %s (see that it runs, then start again): %w", away.Round(time.Second), err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return away, ctx.Err()
		}
	}
}

// Judge records everything that was stored since the mark in ledger, and returns its verdict.
func (s *Stored) Judge(ctx context.Context, ledger *sandbox.Ledger) (sandbox.Verdict, error) {
	if err := s.Record(ctx, ledger); err != nil {
		return sandbox.Verdict{}, err
	}
	return ledger.Judge(), nil
}

// Record records everything that was stored since the mark in ledger. When NATS fails meanwhile, it goes on where it was.
func (s *Stored) Record(ctx context.Context, ledger *sandbox.Ledger) error {
	for _, stage := range stages() {
		if err := s.read(ctx, stage, ledger); err != nil {
			return fmt.Errorf("read the stream of %s events: %w", stage, err)
		}
	}
	return nil
}

func (s *Stored) read(ctx context.Context, stage events.Stage, ledger *sandbox.Ledger) error {
	next, more := s.marks[stage].last+1, true
	for more {
		if _, err := s.insist(ctx, func() (err error) {
			before := next
			if next, more, err = s.readFrom(ctx, stage, next, ledger); next > before {
				return nil // what ended it is nothing yet: it is getting on
			}
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// readFrom reads a stage's events from the sequence first on, as far as it can. next is where to go on, if there is more.
func (s *Stored) readFrom(ctx context.Context, stage events.Stage, first uint64, ledger *sandbox.Ledger) (next uint64, more bool, err error) {
	next = first
	n, err := s.countFrom(ctx, stage, first)
	if err != nil || n == 0 {
		return next, err != nil, err
	}
	consumer, err := s.js.OrderedConsumer(ctx, s.marks[stage].stream, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{pattern(stage)}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: first,
		MaxResetAttempts: 1, // how long to insist is not its own affair
	})
	if err != nil {
		return next, true, err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1000))
	if err != nil {
		return next, true, err
	}
	defer messages.Stop()
	for range n {
		msg, err := messages.Next(jetstream.NextMaxWait(s.silence))
		if err != nil {
			return next, true, err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return next, true, err
		}
		ledger.Stored(stage, msg.Data())
		next = meta.Sequence.Stream + 1
	}
	return next, false, nil
}
