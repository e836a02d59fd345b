package ingest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
)

// Whoever cannot be read in time is answered in time, and in a way that stops no user's action.
func TestNoTimeToRead(t *testing.T) {
	for name, tt := range map[string]struct {
		webhook webhook
		status  int
		outcome outcome
	}{
		"post-action":     {messageAdded(), 503, overloaded},
		"pre-action":      {participantAdd(), 200, letBy},
		"pre-action, get": {get(conversations, "EventType", "onMessageAdd", "AccountSid", account), 200, letBy},
		"unknown type":    {form(conversations, "EventType", "onTypingStart", "AccountSid", account), 200, letBy},
		"no type":         {form(conversations, "a", "b"), 200, letBy},
		"flex":            {form(flex, "EventType", "onNew", "AccountSid", account), 503, overloaded},
		"orchestrator":    {jsonBody(orchestrator, `{}`), 503, overloaded},
		"event streams":   {jsonBody(eventStreams, "["+cloudEvent("EZ1", "x")+"]"), 503, overloaded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, Config{BodyTimeout: 100 * time.Millisecond}, nil, func(r *rig) {
				for range cap(r.reading) {
					r.reading <- struct{}{}
				}
			})
			r.wantStatus(t, tt.webhook, tt.status)
			r.shelf.wantEmpty(t)
			r.wantCounted(t, tt.outcome)
		})
	}
}

// A webhook waits once, for both readings, and what it waited is not taken from the store's time.
func TestWhatWaitedHasTimeToBeStored(t *testing.T) {
	arrived := time.Now().Add(-2 * time.Second)
	began := arrived.Add(2 * time.Second)
	var until time.Time
	r := start(t, Config{}, nil, func(r *rig) {
		times := []time.Time{arrived, began}
		r.now = func() time.Time {
			now := times[0]
			times = append(times[1:], now)
			return now
		}
		parse := r.parse
		r.parse = func(d events.Delivery) ([]events.Event, []events.DeadLetter) {
			if got := len(r.reading); got != 1 {
				t.Errorf("got room for %d taken while parsing, want that of the signature", got)
			}
			return parse(d)
		}
		r.shelf.put = func(ctx context.Context, _ events.Event) error {
			until, _ = ctx.Deadline()
			if got := len(r.reading); got != 0 {
				t.Errorf("got room for %d taken while storing, want none", got)
			}
			return nil
		}
	})
	r.wantStatus(t, messageAdded(), http.StatusOK)
	if got := until.Sub(began); got != 2500*time.Millisecond {
		t.Errorf("got %v to store what waited 2 s, want 2.5 s", got)
	}
}

func TestStoreBy(t *testing.T) {
	for name, tt := range map[string]struct{ timeout, waited, want time.Duration }{
		"at once":           {4 * time.Second, 0, 4 * time.Second},
		"waited":            {2 * time.Second, time.Second, 3 * time.Second},
		"waited long":       {4 * time.Second, 2900 * time.Millisecond, 4500 * time.Millisecond},
		"the most there is": {4900 * time.Millisecond, time.Second, 4900 * time.Millisecond},
	} {
		r := start(t, Config{StoreTimeout: tt.timeout, BodyTimeout: time.Second}, nil, nil)
		arrived := time.Now()
		if got := r.storeBy(arrived, arrived.Add(tt.waited)).Sub(arrived); got != tt.want {
			t.Errorf("%s: got %v after the arrival, want %v", name, got, tt.want)
		}
	}
}
