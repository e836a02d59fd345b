package broker

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/rollcall-events/rollcall/events"
)

func TestWhatIsNotOursIsBuried(t *testing.T) {
	_, c := provisioned(t, small)
	foreign := nats.NewMsg(event(key(1), 1).Subject(events.StageRaw))
	foreign.Data = []byte("not an envelope")
	misplaced := nats.NewMsg(event(key(2), 1).Subject(events.StageRaw))
	misplaced.Data, _ = events.EncodeRaw(event(key(3), 1))
	for _, m := range []*nats.Msg{foreign, misplaced} {
		if _, err := c.js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, c, event(key(1), 2))
	task := work(t, c).take(t, 1)[0]
	eventually(t, "the event behind a corrupt one is the head", func() bool { return head(t, task) })
	eventually(t, "both are out of QUEUE", func() bool { return messages(t, c, queueStream) == 1 })
	if got := messages(t, c, deadStream); got != 2 {
		t.Fatalf("DEAD: got %d letters, want 2", got)
	}
	m, err := c.getFrom(t.Context(), deadStream, ">", 1)
	if err != nil {
		t.Fatal(err)
	}
	d, err := events.DecodeDead(m.Data)
	if err != nil || d.Reason != events.ReasonCorrupt || len(d.Body) == 0 {
		t.Errorf("letter: got %+v, %v, want the body with reason %s", d, err, events.ReasonCorrupt)
	}
}

// A message that did not come from RAW has no place in its order.
func TestAnUnsourcedMessageWedgesNothing(t *testing.T) {
	_, c := provisioned(t, small)
	e := event(key(1), 1)
	data, _ := events.EncodeRaw(e)
	cfg := small.withDefaults().queue()
	cfg.Subjects = []string{"rollcall.queue.>"}
	if _, err := c.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	for p := range small.Partitions {
		subject := strings.Replace(partitionSubjects(p), ">", e.Key(), 1)
		if _, err := c.js.Publish(t.Context(), subject, data); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, c, e)
	task := work(t, c).take(t, 1)[0]
	eventually(t, "the event is the head", func() bool { return head(t, task) })
	if got := messages(t, c, deadStream); got == 0 {
		t.Error("DEAD: got no letter, want one for each message of unknown origin")
	}
}
