package broker

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rollcall-events/rollcall/events"
)

// The package events says what it was about: to say it again makes the text longer, and no clearer.
func TestErrorsSayEachThingOnce(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1))
	task := work(t, c).take(t, 1)[0]
	head(t, task)
	for name, say := range map[string]func() error{
		"encode raw event":      func() error { _, err := rawMessage(t.Context(), events.Event{}); return err },
		"encode dead letter":    func() error { _, err := deadMessage(t.Context(), events.DeadLetter{}, "id"); return err },
		"encode enriched event": func() error { return task.Publish(t.Context(), events.Enriched{Event: task.Event()}) },
		"decode raw event": func() error {
			header := nats.Header{headerStreamSource: {rawStream + " 1 > > rollcall.raw.x " + task.origin.epoch}}
			_, _, err := c.readQueued(key(1), header, []byte("not an envelope"))
			return err
		},
	} {
		if err := say(); err == nil || strings.Count(err.Error(), name) != 1 {
			t.Errorf("%s: got %v, want an error that says so once", name, err)
		}
	}
}

func TestARefusedBatchSaysWhy(t *testing.T) {
	_, c := provisioned(t, small)
	now := time.Now()
	_, err := c.readBatch(t.Context(), rawStream, batchRequest{Subject: ">", Seq: 1, StartTime: &now})
	if err == nil || !strings.Contains(err.Error(), rawStream+": the server refused the request: 408 Bad Request") {
		t.Errorf("got %v, want the server's status and its description", err)
	}
}
