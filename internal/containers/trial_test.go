package containers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"

	"github.com/rollcall-events/rollcall/internal/sandbox"
)

const (
	// redWithin is how soon a part that cannot do its work says so.
	redWithin = 5 * time.Second
	// greenWithin is how soon it says that it can again: as soon, but for an attempt to connect that was under way to where nobody was.
	greenWithin = redWithin + 2*time.Second
	// recoveryWithin is how soon after that, or after a long outage of NATS, new events come out.
	recoveryWithin = 10 * time.Second
	// recoveryTimeout bounds what a test waits for when a fault is over.
	recoveryTimeout = 90 * time.Second
)

// trial is a stack under steady webhooks, watched from outside. A ledger judges what came out.
type trial struct {
	*stack
	t       *testing.T
	crowd   *crowd
	judge   judge
	watches map[string]*watch // of ingest, "enricher 1" and so on
	figures []string          // for people
}

// startTrial starts a stack in which events come out already.
func startTrial(t *testing.T, s *stack, conversations int, every time.Duration) *trial {
	t.Helper()
	r := &trial{stack: s, t: t, judge: s.judge(t), watches: map[string]*watch{}}
	r.watches["ingest"] = startWatch(t, endpoint(t, s.ingest, ingestOps))
	for i, e := range s.enrichers {
		r.watches[enricherName(i)] = startWatch(t, endpoint(t, e, enricherOps))
	}
	began := time.Now()
	r.crowd = s.startCrowd(t, conversations, every)
	r.must("events come out", func() bool { return r.judge.enrichedSince(began) })
	return r
}

func enricherName(i int) string { return fmt.Sprintf("enricher %d", i+1) }

// parts are all that is watched, in order.
func (r *trial) parts() []string { return slices.Sorted(maps.Keys(r.watches)) }

// note adds a figure to the trial's line.
func (r *trial) note(format string, args ...any) {
	r.figures = append(r.figures, fmt.Sprintf(format, args...))
}

// must waits for what the trial cannot go on without.
func (r *trial) must(what string, ok func() bool) {
	r.t.Helper()
	if !r.await(ok) {
		r.t.Fatalf("%s: it did not come about within %s; %s", what, recoveryTimeout, r.state())
	}
}

// await waits until ok, and reports whether that came about within recoveryTimeout.
func (r *trial) await(ok func() bool) bool {
	deadline := time.NewTimer(recoveryTimeout)
	defer deadline.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-deadline.C:
			return false
		}
	}
	return true
}

func (r *trial) state() string {
	return fmt.Sprintf("%d owed, RAW %d, QUEUE %d, ENRICHED %d, DEAD %d", r.crowd.ledger.Owed(), r.judge.messages("ROLLCALL_RAW"),
		r.judge.messages("ROLLCALL_QUEUE"), r.judge.messages("ROLLCALL_ENRICHED"), r.judge.messages("ROLLCALL_DEAD"))
}

// last lets d pass: a fault is its length.
func (r *trial) last(d time.Duration) {
	r.t.Helper()
	end := time.NewTimer(d)
	defer end.Stop()
	select {
	case <-end.C:
	case <-r.t.Context().Done():
		r.t.FailNow()
	}
}

// checkRed checks that a part said within redWithin of a fault's beginning that it is not ready, and said so until its end.
func (r *trial) checkRed(part string, began, ended time.Time) {
	r.t.Helper()
	after, found := r.watches[part].ready.red(began)
	if !found || after > redWithin {
		r.t.Errorf("%s was red %s after the fault began (ever: %v), want it within %s", part, seconds(after), found, redWithin)
		return
	}
	r.note("%s red after %s", part, seconds(after))
	if looks := r.watches[part].ready.between(began.Add(after), ended); slices.ContainsFunc(looks, look.isGreen) {
		r.t.Errorf("%s said that it is ready while it could not do its work", part)
	}
}

// checkGreen checks that a part has said all the time that it is ready.
func (r *trial) checkGreen(part string, began, ended time.Time) {
	r.t.Helper()
	if looks := r.watches[part].ready.between(began, ended); len(looks) == 0 || slices.ContainsFunc(looks, func(l look) bool { return !l.isGreen() }) {
		r.t.Errorf("%s was not ready all the time, though nothing was wrong with it (looked %d times)", part, len(looks))
	}
}

// recovered waits until every part is ready, which must be within a time of the fault's end, and what is said first after the fault comes
// out, within recoveryWithin of that. Those who spoke during the fault have all that waited before them, and how long that takes is a matter
// of speed.
func (r *trial) recovered(ended time.Time, within time.Duration) {
	r.t.Helper()
	newcomer := r.crowd.begin()
	for _, part := range r.parts() {
		var after time.Duration
		r.must(part+" is ready", func() (found bool) {
			after, found = r.watches[part].ready.green(ended)
			return found
		})
		r.note("%s green after %s", part, seconds(after))
		if after > within {
			r.t.Errorf("%s was ready %s after the fault, want it within %s", part, seconds(after), within)
		}
	}
	green := time.Now()
	r.must("new events come out", func() bool { return r.judge.hasEnriched(newcomer) })
	r.note("new events out after %s", seconds(time.Since(ended)))
	if took := time.Since(green); took > recoveryWithin {
		r.t.Errorf("new events were out %s after every part was ready, want it within %s", seconds(took), recoveryWithin)
	}
}

// conclude ends the webhooks, waits until all is out, stops what could still store something, and judges. answers
// are those that there may have been; 0 is none.
func (r *trial) conclude(answers ...int) {
	r.t.Helper()
	r.crowd.stop()
	stopped := time.Now()
	_ = r.await(func() bool { return r.judge.isSettled(r.crowd.ledger) }) // else the ledger says what is missing
	r.note("all out %s after the last webhook", seconds(time.Since(stopped)))
	calls, err := r.twilio.calls(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	r.stopParts()
	v := r.judge.judge(r.crowd.ledger)
	r.t.Logf("%s: %d webhooks, answers %v, the slowest after %s; %d owed, %d enriched, %d dead, %d lost, %d twice, %d out of order; %.2f calls an event; %s",
		r.t.Name(), v.Sent, v.Answers, seconds(time.Duration(r.crowd.slowest.Load())), v.Owed, v.Enriched, v.Dead, v.Lost, v.Twice, v.OutOfOrder,
		float64(calls)/float64(max(1, v.Enriched+v.Dead)), strings.Join(r.figures, ", "))
	r.check(v, answers)
}

func (r *trial) check(v sandbox.Verdict, answers []int) {
	r.t.Helper()
	if err := v.Err(); err != nil {
		r.t.Error(err)
	}
	for status, n := range v.Answers {
		if !slices.Contains(answers, status) {
			r.t.Errorf("%d webhooks were answered %d, want answers %v alone", n, status, answers)
		}
	}
	if v.Answers[http.StatusOK] != v.Owed {
		r.t.Errorf("%d events are owed for %d webhooks that were answered 200", v.Owed, v.Answers[http.StatusOK])
	}
}

func (r *trial) stopParts() {
	r.t.Helper()
	grace := 30 * time.Second
	for _, part := range append([]testcontainers.Container{r.ingest}, r.enrichers...) {
		err := part.Stop(r.t.Context(), &grace)
		if state, stateErr := part.State(r.t.Context()); errors.Join(err, stateErr) != nil || state.ExitCode != 0 {
			r.t.Errorf("stop a part: exit code %d (%v), want 0", state.ExitCode, errors.Join(err, stateErr))
		}
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// do runs a docker command on a part.
func (r *trial) do(args ...string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), startTimeout)
	defer cancel()
	if _, err := docker(ctx, args...); err != nil {
		r.t.Fatal(err)
	}
}
