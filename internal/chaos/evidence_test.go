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
	s.each(events.StageEnriched, func(m jetstream.Msg) { out[m.Headers().Get(jetstream.MsgIDHeader)] = true })
	s.each(events.StageDead, func(m jetstream.Msg) {
		if d, err := events.DecodeDead(m.Data()); err == nil && d.Reason != events.ReasonMissed {
			out[d.ID] = true
		}
	})
	s.each(events.StageRaw, func(m jetstream.Msg) {
		if e, err := events.DecodeRaw(m.Data()); err == nil && !out[e.ID] {
			fmt.Fprintf(&b, "missing: %s\n", trail(m))
			keys[e.Key()] = true
		}
	})
	for _, stage := range append(slices.Clone(stages), stageBuried) {
		s.each(stage, func(m jetstream.Msg) {
			if tokens := strings.Split(m.Subject(), "."); keys[tokens[len(tokens)-1]] {
				fmt.Fprintf(&b, "%s %s\n", streamOf(stage), trail(m))
			}
		})
	}
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
