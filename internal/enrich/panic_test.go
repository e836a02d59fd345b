package enrich

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

func TestAnAnswerThatPanicsIsBuriedAndDelaysNoOther(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
			if q.within == string(sid("CH", 1)) {
				panic("an answer with words from outside")
			}
			return nil, nil
		}
		b.handle(1, message(1), message(2))
		synctest.Wait()
		b.wantPublished("2")
		after(5 * time.Minute)
		d := b.wantLetter(events.ReasonContract, 4)
		if len(d.Problems) != 1 || d.Problems[0] != (validation.Problem{Field: "answer", Rule: "panic"}) {
			b.t.Errorf("got problems %v, want that it panicked", d.Problems)
		}
		b.wantMetric(`rollcall_enrich_panics_total{where="call"} 4`)
		b.wantPanicsLogged(4)
		b.api.answer = nil
		b.handle(3, message(1))
		synctest.Wait()
		b.wantPublished("2", "3") // its conversation has moved on, and the call gave its place back
	})
}

func TestAnEventThatPanicsIsBuriedAndDelaysNoOther(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.publish = func(seq uint64) error {
			if seq == 1 {
				panic(errors.New("words from outside"))
			}
			return nil
		}
		b.handle(1, message(1), message(2), message(1))
		synctest.Wait()
		b.wantPublished("2")
		after(5 * time.Minute)
		b.wantLetter(events.ReasonContract, 1)
		b.wantPublished("2", "3")
		b.wantMetric(`rollcall_enrich_panics_total{where="turn"} 4`)
		b.wantPanicsLogged(4)
	})
}

func TestWhatPanicsWhileStoppingIsGivenBack(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.publish = func(uint64) error { panic("again and again") }
		b.handle(1, message(1))
		synctest.Wait()
		b.stop()
		if len(b.released) != 1 || len(b.letters) != 0 {
			b.t.Errorf("got %d released and %d letters, want the event given back", len(b.released), len(b.letters))
		}
	})
}

// wantPanicsLogged checks that each of n panics is one line, with where it happened and without what it said.
func (b *bench) wantPanicsLogged(n int) {
	b.t.Helper()
	got := b.logged.String()
	if lines := strings.Count(got, "level=ERROR"); lines != n {
		b.t.Errorf("got %d lines of panics, want %d:\n%s", lines, n, got)
	}
	if !strings.Contains(got, "panic_test.go") || strings.Contains(got, "words from outside") {
		b.t.Errorf("got log %s, want the stack and nothing that the panic said", got)
	}
}
