package sandbox

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/validation"
)

// answering is a server that gives these answers, one after the other, and none for 0.
func answering(t *testing.T, statuses ...int) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status := statuses[0]
		if len(statuses) > 1 {
			statuses = statuses[1:]
		}
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func courier(t *testing.T, target string) Courier {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return Courier{
		Sender: Sender{Target: target, Key: validation.NewSecret("key"), Client: &http.Client{Transport: transport}},
		Ledger: NewLedger(), Again: time.Millisecond,
	}
}

var talk = Talk{Account: SID("AC", "talk"), SID: SID("CH", "talk")}

func TestCourierSendsAgainUntilThereIsAnAnswer(t *testing.T) {
	c := courier(t, answering(t, 0, http.StatusServiceUnavailable, http.StatusOK))
	answer, err := c.Deliver(t.Context(), talk.Message(1, time.Now()))
	if err != nil || answer.Status != http.StatusOK {
		t.Errorf("got %d (%v), want 200", answer.Status, err)
	}
	v := c.Ledger.Judge()
	if v.Sent != 3 || v.Answers[0] != 1 || v.Answers[http.StatusServiceUnavailable] != 1 || v.Answers[http.StatusOK] != 1 {
		t.Errorf("the ledger: got %d sent, answers %v, want 3: none, 503 and 200", v.Sent, v.Answers)
	}
}

func TestCourierTakesARefusalForAnAnswer(t *testing.T) {
	c := courier(t, answering(t, http.StatusForbidden))
	answer, err := c.Deliver(t.Context(), talk.Message(1, time.Now()))
	if err != nil || answer.Status != http.StatusForbidden {
		t.Errorf("got %d (%v), want 403", answer.Status, err)
	}
	if got := c.Ledger.Judge().Sent; got != 1 {
		t.Errorf("sent %d times, want once", got)
	}
}

func TestCourierGivesUpWhenItIsTold(t *testing.T) {
	c := courier(t, answering(t, http.StatusServiceUnavailable))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Deliver(ctx, talk.Message(1, time.Now())); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the time is over", err)
	}
}
