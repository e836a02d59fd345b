package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/cmd/internal/process"
)

// Told to stop while Twilio does not answer: readiness is red at once, what is answered within the bound is finished, the rest is given back, and nothing is
// lost: the next enricher does it.
func TestStoppingFinishesOrGivesBackWhatIsUnderWay(t *testing.T) {
	const bound = 2 * time.Second
	w := newWorld(t)
	slow := string(message(1, 0).Refs.ConversationSID)
	answers := make(chan struct{})
	var underWay sync.WaitGroup
	underWay.Add(2)
	w.twilio.setAnswer(func(_ http.ResponseWriter, r *http.Request, n int) bool {
		if n == 1 {
			underWay.Done()
		}
		if strings.Contains(r.URL.Path, slow) {
			select {
			case <-answers:
				return false
			case <-r.Context().Done():
				return true
			}
		}
		<-r.Context().Done()
		return true
	})
	p := w.start("--stop-timeout=" + bound.String())
	p.wantReady(http.StatusOK, "nats: ok")
	w.publish(t.Context(), message(1, 0)) // is answered late
	w.publish(t.Context(), message(2, 0)) // is never answered
	underWay.Wait()

	began := time.Now()
	ended := make(chan int, 1)
	go func() { ended <- p.stop() }()
	p.wantReady(http.StatusServiceUnavailable, "process: the process is stopping")
	if red := time.Since(began); red > bound/2 {
		t.Errorf("got red readiness %s after the signal, want it before anything else", red)
	}
	close(answers)
	w.out.await(t, 1, 0)
	if took := time.Since(began); took > bound {
		t.Errorf("got the event that was answered %s after the signal, want it finished within %s", took, bound)
	}
	if code, took := <-ended, time.Since(began); code != process.OK || took > bound+5*time.Second {
		t.Errorf("got exit code %d after %s, want 0 after %s and what it takes to close", code, took, bound)
	}

	w.twilio.setAnswer(nil)
	again := time.Now()
	w.start()
	w.out.await(t, 2, 0)
	if took := time.Since(again); took > 10*time.Second { // and not after AckWait
		t.Errorf("got what was given back %s after the next start, want it at once", took)
	}
}
