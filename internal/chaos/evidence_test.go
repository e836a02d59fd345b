package chaos

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
)

// evidence is what the streams hold on the keys of the events that are in RAW and did not come out, or only as letters of the audit: for whoever
// has to find out why, as the streams are gone once the test has ended.
func (s *storm) evidence() string {
	var b strings.Builder
	out, keys := map[string]bool{}, map[string]bool{}
	s.each(events.StageEnriched, "ROLLCALL_ENRICHED", func(m jetstream.Msg) { out[m.Headers().Get(jetstream.MsgIDHeader)] = true })
	s.each(events.StageDead, "ROLLCALL_DEAD", func(m jetstream.Msg) {
		if d, err := events.DecodeDead(m.Data()); err == nil && d.Reason != events.ReasonMissed {
			out[d.ID] = true
		}
	})
	s.each(events.StageRaw, "ROLLCALL_RAW", func(m jetstream.Msg) {
		if e, err := events.DecodeRaw(m.Data()); err == nil && !out[e.ID] {
			fmt.Fprintf(&b, "missing: %s\n", trail(m))
			keys[e.Key()] = true
		}
	})
	tell := func(stage events.Stage, stream string) {
		s.each(stage, stream, func(m jetstream.Msg) {
			if tokens := strings.Split(m.Subject(), "."); keys[tokens[len(tokens)-1]] {
				fmt.Fprintf(&b, "%s %s\n", stream, trail(m))
			}
		})
	}
	for _, from := range streams {
		tell(from.stage, from.name)
	}
	tell("buried", "ROLLCALL_ENRICHED")
	s.tellOfQueue(&b)
	return b.String()
}

// trail tells where a message is and where it comes from; nothing of what it says.
func trail(m jetstream.Msg) string {
	meta, err := m.Metadata()
	if err != nil {
		return err.Error()
	}
	var headers []string
	for name, values := range m.Headers() {
		headers = append(headers, name+"="+strings.Join(values, ","))
	}
	slices.Sort(headers)
	return fmt.Sprintf("%d at %s %s %s", meta.Sequence.Stream, meta.Timestamp.Format(time.StampMilli), m.Subject(), strings.Join(headers, " "))
}

func (s *storm) tellOfQueue(b *strings.Builder) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	queue, err := s.js.Stream(ctx, "ROLLCALL_QUEUE")
	if err != nil {
		fmt.Fprintln(b, err)
		return
	}
	info := queue.CachedInfo()
	fmt.Fprintf(b, "QUEUE %+v\n", info.State)
	for _, s := range info.Sources {
		fmt.Fprintf(b, "source %+v\n", *s)
	}
	for c := range queue.ListConsumers(ctx).Info() {
		fmt.Fprintf(b, "consumer %s delivered %+v ack floor %+v, %d pending, %d not acknowledged\n",
			c.Name, c.Delivered, c.AckFloor, c.NumPending, c.NumAckPending)
	}
}

// each hands over every message of a stage that its stream was given since base.
func (s *storm) each(stage events.Stage, name string, take func(jetstream.Msg)) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s.unaged(ctx, name)
	consumer, err := s.reader(ctx, stage, name)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = s.js.DeleteConsumer(ctx, name, consumer.CachedInfo().Name) }()
	want := int(consumer.CachedInfo().NumPending)
	for n := 0; n < want; {
		batch, err := consumer.Fetch(min(1000, want-n), jetstream.FetchMaxWait(10*time.Second))
		if err != nil {
			s.t.Fatal(err)
		}
		for m := range batch.Messages() {
			take(m)
			n++
		}
		if ctx.Err() != nil {
			s.t.Fatalf("read %s: got %d messages, want %d", name, n, want)
		}
	}
}

// reader reads what a stream was given of a stage since base.
func (s *storm) reader(ctx context.Context, stage events.Stage, name string) (jetstream.Consumer, error) {
	return s.js.CreateConsumer(ctx, name, jetstream.ConsumerConfig{
		FilterSubject: allOf(stage), AckPolicy: jetstream.AckNonePolicy, Replicas: 1, MemoryStorage: true,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: s.base[name] + 1,
	})
}

// unaged ends the test when the stream has let go of something that is still to be judged.
func (s *storm) unaged(ctx context.Context, name string) {
	s.t.Helper()
	stream, err := s.js.Stream(ctx, name)
	if err != nil {
		s.t.Fatal(err)
	}
	if state := stream.CachedInfo().State; state.LastSeq > s.base[name] && state.FirstSeq > s.base[name]+1 {
		s.t.Fatalf("%s begins at %d, and the slice at %d: what was to be judged has aged; take shorter slices or fewer webhooks",
			name, state.FirstSeq, s.base[name]+1)
	}
}
