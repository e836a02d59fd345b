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

// evidence is what the streams hold on the keys of the slice's events that are in RAW and did not come out: for whoever
// has to find out why, as the streams are gone once the test has ended.
func (k *soak) evidence() string {
	var b strings.Builder
	out, keys := map[string]bool{}, map[string]bool{}
	k.each(events.StageEnriched, "ROLLCALL_ENRICHED", func(m jetstream.Msg) { out[m.Headers().Get(jetstream.MsgIDHeader)] = true })
	k.each(events.StageDead, "ROLLCALL_DEAD", func(m jetstream.Msg) {
		if d, err := events.DecodeDead(m.Data()); err == nil {
			out[d.ID] = true
		}
	})
	k.each(events.StageRaw, "ROLLCALL_RAW", func(m jetstream.Msg) {
		if e, err := events.DecodeRaw(m.Data()); err == nil && !out[e.ID] {
			fmt.Fprintf(&b, "missing: %s\n", trail(m))
			keys[e.Key()] = true
		}
	})
	for _, s := range streams {
		k.each(s.stage, s.name, func(m jetstream.Msg) {
			if tokens := strings.Split(m.Subject(), "."); keys[tokens[len(tokens)-1]] {
				fmt.Fprintf(&b, "%s %s\n", s.name, trail(m))
			}
		})
	}
	k.tellOfQueue(&b)
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

func (k *soak) tellOfQueue(b *strings.Builder) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	queue, err := k.js.Stream(ctx, "ROLLCALL_QUEUE")
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
