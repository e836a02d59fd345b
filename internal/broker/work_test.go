package broker

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-events/rollcall/events"
)

// Many events that nothing can be done about (of an account whose credentials are refused, say, or of one stuck
// conversation) do not keep from us those of others, also when they were given back.
func TestManyHeldTasksStopNoOther(t *testing.T) {
	_, c := provisioned(t, Topology{Partitions: 1})
	w := work(t, c)
	const held = 1500 // of the 2,000 that may be under way
	for i := range held {
		publish(t, c, event(key(1), i))
	}
	for i, task := range w.take(t, held) {
		if i < held/2 {
			continue
		}
		if err := task.msg.nakWithDelay(time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, c, event(key(2), 1))
	published(t, w.take(t, 1)[0])
}

// A consumer that somebody removed stops its own partition, and is told of; the others go on as if nothing were.
func TestAMissingConsumerStopsItsOwnPartitionAlone(t *testing.T) {
	s, admin := provisioned(t, small)
	var logged lockedBuffer
	log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c, err := s.Connect(t.Context(), Config{Name: "enricher", Role: RoleEnricher, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, c)
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("Ready: got %v, want nil", err)
	}
	if err := admin.js.DeleteConsumer(t.Context(), queueStream, consumerName(0)); err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "has 1 of its 2 consumers: provision") {
		t.Errorf("Ready without a consumer: got %v, want an error that says so", err)
	}
	w := work(t, c)
	eventually(t, "several tries", func() bool { return strings.Count(logged.String(), "trying again") >= 4 })
	if warned, well := strings.Count(logged.String(), "level=WARN"), strings.Count(logged.String(), "NATS answers again"); warned != 1 || well != 0 {
		t.Errorf("got %d warnings and %d ends of one outage, want 1 and 0:\n%s", warned, well, logged.String())
	}
	const keys = 16
	for i := range keys {
		publish(t, c, event(key(i), 1))
	}
	if subject := w.take(t, 1)[0].subject; !strings.HasPrefix(subject, "rollcall.queue.1.") {
		t.Errorf("got a task on %s, want one of partition 1", subject)
	}
	if err := admin.Provision(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	w.take(t, keys-1)
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("Ready with all consumers: got %v, want nil", err)
	}
	if well := strings.Count(logged.String(), "NATS answers again"); well != 1 {
		t.Errorf("got %d ends of the outage, want 1:\n%s", well, logged.String())
	}
}

// A message that no code can decode would otherwise end every enricher, one after the other, for good.
func TestAMessageThatMakesTheDecoderPanicIsBuried(t *testing.T) {
	s, _ := provisioned(t, small)
	var logged lockedBuffer
	c, err := s.Connect(t.Context(), Config{Name: "logging", Log: slog.New(slog.NewTextHandler(&logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, c)
	c.decode = func(b []byte) (events.Event, error) {
		if bytes.Contains(b, []byte(key(1))) {
			panic("words of " + key(1))
		}
		return events.DecodeRaw(b)
	}
	publish(t, c, event(key(1), 1), event(key(2), 1))
	task := work(t, c).take(t, 1)[0]
	eventually(t, "the other event is the head", func() bool { return head(t, task) })
	eventually(t, "it is out of QUEUE", func() bool { return messages(t, c, queueStream) == 1 })
	m, err := c.getFrom(t.Context(), deadStream, ">", 1)
	if err != nil {
		t.Fatal(err)
	}
	d, err := events.DecodeDead(m.Data)
	if err != nil || d.Reason != events.ReasonCorrupt || !bytes.Contains(d.Body, []byte(key(1))) {
		t.Errorf("letter: got %+v, %v, want the message with reason %s", d, err, events.ReasonCorrupt)
	}
	if got := testutil.ToFloat64(c.metrics.tasks.WithLabelValues("panicked")); got != 1 {
		t.Errorf("got %v panics counted, want 1", got)
	}
	if got := logged.String(); !strings.Contains(got, "work_test.go") || strings.Contains(got, "words of") || strings.Contains(d.Detail, "words of") {
		t.Errorf("got log %s and detail %q, want the stack and nothing that the panic said", got, d.Detail)
	}
}
