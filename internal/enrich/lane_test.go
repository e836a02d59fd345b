package enrich

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
)

func TestOrderOnAKeyIsThatOfTheSequences(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = func(ctx context.Context, n int, q question) ([]participants.Participant, error) {
			<-time.After(100 * time.Millisecond)
			return nil, nil
		}
		var tasks []*task
		for _, seq := range []uint64{1, 2, 3, 4, 5} {
			tasks = append(tasks, b.add(seq, message(1)))
		}
		for _, i := range []int{3, 1, 4, 0, 2} {
			b.Handle(tasks[i])
			after(10 * time.Millisecond)
		}
		after(time.Minute)
		b.wantPublished("1", "2", "3", "4", "5")
	})
}

func TestATaskThatIsNotTheHeadWaitsForTheOneBefore(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		first := b.add(1, message(1)) // another process has it
		b.handle(2, message(1))
		after(time.Minute)
		b.wantPublished()
		b.wantCalls(0)
		if n := b.extended[2]; n != 3 {
			b.t.Errorf("got %d extensions in a minute of waiting, want 3: one when less than half of the 30 s is left", n)
		}
		b.Handle(first) // it comes back
		synctest.Wait()
		b.wantPublished("1", "2")
	})
}

// What the server gives for a short time is extended in time, also where others are ours for longer.
func TestTasksThatAreOursForAShortTimeAreExtendedInTime(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.add(1, message(1)) // another process has it
		b.add(2, message(2)) // and this
		b.handle(3, message(1))
		after(7 * time.Second)
		b.hold = 2 * time.Second
		b.handle(4, message(2))
		after(time.Minute)
		b.wantMetric("rollcall_enrich_extend_failures_total 0")
		if n := b.extended[4]; n < 30 {
			b.t.Errorf("got %d extensions in a minute of waiting, want one for each second", n)
		}
	})
}

// What another process finishes is seen at once, however long the lane has waited.
func TestALaneIsToldThatItIsItsTurn(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		first := b.add(1, message(1)) // another process has it
		b.handle(2, message(1))
		after(time.Minute) // by now it asks every other second or so
		b.mu().Lock()
		first.done()
		b.mu().Unlock()
		synctest.Wait()
		b.wantPublished("2")
	})
}

// The lane is told before the message is stored: then it asks again soon, and not as rarely as before.
func TestALaneThatIsToldTooEarlyAsksAgainSoon(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		first := b.add(1, message(1))
		b.handle(2, message(1))
		after(time.Minute)
		b.mu().Lock()
		b.tell(first.event.Key())
		b.mu().Unlock()
		synctest.Wait()
		b.mu().Lock()
		delete(b.undone, first.event.Key()) // now it is stored, and nobody is told
		b.undone[first.event.Key()] = []uint64{2}
		b.mu().Unlock()
		after(pollFirst)
		b.wantPublished("2")
	})
}

// Who works on its own tasks is told nothing: it would hear of each that it publishes.
func TestALaneWatchesOnlyWhileItWaits(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		count := func() (n int) {
			for _, w := range b.watched {
				n += len(w)
			}
			return n
		}
		watchers := func() int {
			b.mu().Lock()
			defer b.mu().Unlock()
			return count()
		}
		b.publish = func(seq uint64) error {
			if got := count(); got != 0 {
				b.t.Errorf("while it publishes %d: got %d watchers, want 0", seq, got)
			}
			return nil
		}
		first := b.add(1, message(1))
		b.handle(2, message(1))
		b.handle(3, message(1))
		synctest.Wait()
		if got := watchers(); got != 1 {
			b.t.Errorf("while it waits: got %d watchers, want 1", got)
		}
		b.Handle(first)
		synctest.Wait()
		b.wantPublished("1", "2", "3")
		if got := watchers(); got != 0 {
			b.t.Errorf("after its turn: got %d watchers, want 0", got)
		}
		b.add(4, message(1))
		b.handle(5, message(1))
		synctest.Wait()
		b.stop()
		synctest.Wait()
		if got := watchers(); got != 0 {
			b.t.Errorf("after the end: got %d watchers, want 0", got)
		}
	})
}

func TestWhatIsDoneAlreadyIsForgotten(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		early := b.add(1, message(1))
		early.done()
		b.Handle(early)
		b.handle(2, message(1))
		synctest.Wait()
		b.wantPublished("2")
		b.wantMetric(`rollcall_enrich_events_total{api="conversations",outcome="forgotten"} 1`)
		b.wantMetric(`rollcall_enrich_lanes 0`)
		b.wantMetric(`rollcall_enrich_waiting_tasks 0`)
	})
}

func TestATaskDeliveredTwiceIsDoneOnce(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = func(context.Context, int, question) ([]participants.Participant, error) {
			<-time.After(time.Second)
			return nil, nil
		}
		one := b.add(1, message(1))
		again := &redelivered{task: one}
		b.Handle(one)
		synctest.Wait()
		b.Handle(again)
		b.wantMetric(`rollcall_enrich_waiting_tasks 1`)
		after(time.Minute)
		b.wantPublished("1")
		b.wantCalls(1)
		if !again.used {
			t.Error("got the older delivery published, want the newer one: the older one may have lapsed")
		}
	})
}

type redelivered struct {
	*task
	used bool
}

func (r *redelivered) Publish(ctx context.Context, e events.Enriched) error {
	r.used = true
	return r.task.Publish(ctx, e)
}

func TestAStuckConversationDelaysNoOther(t *testing.T) {
	bubble(t, Config{CallTimeout: 10 * time.Second}, func(b *bench) {
		b.api.answer = func(ctx context.Context, _ int, q question) ([]participants.Participant, error) {
			if q.within != string(sid("CH", 0)) {
				return nil, nil
			}
			<-ctx.Done()
			return nil, &participants.Error{Failure: participants.FailureTransport, Err: ctx.Err()}
		}
		for n := range 50 {
			b.handle(uint64(n+1), message(n))
		}
		synctest.Wait() // no time has passed
		if got := len(b.publishedIDs()); got != 49 {
			b.t.Errorf("got %d of the other conversations' events, want 49", got)
		}
		after(20 * time.Minute)
		if d := b.wantLetter(events.ReasonOverdue, b.api.count()-49); d.FailedAt.IsZero() {
			b.t.Error("got no time of failure")
		}
	})
}

// TestWhateverHappensOrderIsKeptAndNothingIsLost lets chance deliver, fail and delay.
func TestWhateverHappensOrderIsKeptAndNothingIsLost(t *testing.T) {
	for seed := range uint64(50) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			bubble(t, Config{Concurrency: 4}, func(b *bench) {
				chance := rand.New(rand.NewPCG(seed, 0))
				b.unreliable(rand.New(rand.NewPCG(seed, 1)))
				const conversations, each = 5, 20
				var tasks []*task
				for i := range uint64(conversations * each) {
					tasks = append(tasks, b.add(i+1, message(int(i)%conversations)))
				}
				chance.Shuffle(len(tasks), func(i, j int) { tasks[i], tasks[j] = tasks[j], tasks[i] })
				for _, task := range tasks {
					b.Handle(task)
					if chance.IntN(10) == 0 {
						after(time.Duration(chance.IntN(2000)) * time.Millisecond)
					}
					if chance.IntN(10) == 0 {
						b.Handle(task) // once more
					}
				}
				after(time.Hour)
				b.wantEachOnceInOrder(conversations * each)
			})
		})
	}
}

// unreliable makes the API and NATS fail now and then, each also after having done what was asked.
func (b *bench) unreliable(chance *rand.Rand) {
	outcomes := []error{nil, nil, nil, status(500), status(429), status(404), &participants.Error{Failure: participants.FailureContract}}
	b.api.answer = func(context.Context, int, question) ([]participants.Participant, error) {
		b.api.mu.Lock()
		wait, err := time.Duration(chance.IntN(500))*time.Millisecond, outcomes[chance.IntN(len(outcomes))]
		b.api.mu.Unlock()
		<-time.After(wait)
		return nil, err
	}
	away := func() error {
		b.api.mu.Lock()
		defer b.api.mu.Unlock()
		if chance.IntN(5) == 0 {
			return errors.New("NATS is away")
		}
		return nil
	}
	b.head = func(uint64) error { return away() }
	b.publish = func(uint64) error { return away() }
	b.bury = func(events.DeadLetter) error { return away() }
	b.acknowledge = away
}

// wantEachOnceInOrder checks that n events ended, each once and in order on its key.
func (b *bench) wantEachOnceInOrder(n int) {
	b.t.Helper()
	b.mu().Lock()
	defer b.mu().Unlock()
	last := map[string]uint64{}
	for _, f := range b.finished {
		if f.seq <= last[f.key] {
			b.t.Errorf("key %s: got %d after %d", f.key, f.seq, last[f.key])
		}
		last[f.key] = f.seq
	}
	if len(b.finished) != n {
		b.t.Errorf("got %d events finished, want %d", len(b.finished), n)
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	bubble(t, Config{Concurrency: 3}, func(b *bench) {
		running, most := 0, 0
		b.api.answer = func(context.Context, int, question) ([]participants.Participant, error) {
			b.api.mu.Lock()
			running++
			most = max(most, running)
			b.api.mu.Unlock()
			<-time.After(time.Second)
			b.api.mu.Lock()
			running--
			b.api.mu.Unlock()
			return nil, nil
		}
		for n := range 12 {
			b.handle(uint64(n+1), message(n))
		}
		after(4 * time.Second)
		if got := len(b.publishedIDs()); got != 12 || most != 3 {
			b.t.Errorf("got %d events and %d calls at once, want 12 and 3", got, most)
		}
	})
}

func TestNATSFailuresAreTriedAgainAndNothingIsDropped(t *testing.T) {
	away := errors.New("NATS is away")
	times := func(n int) func() error {
		return func() error {
			if n--; n >= 0 {
				return away
			}
			return nil
		}
	}
	tests := map[string]func(b *bench){
		"head":    func(b *bench) { f := times(20); b.head = func(uint64) error { return f() } },
		"publish": func(b *bench) { f := times(20); b.publish = func(uint64) error { return f() } },
	}
	for name, breakIt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(b *bench) {
				breakIt(b)
				first := b.add(1, message(1))
				b.Handle(b.add(2, message(1))) // waits until the first is there: one call serves both
				b.Handle(first)
				after(5 * time.Minute)
				b.wantPublished("1", "2")
				b.wantCalls(1) // the answer is kept: it is no older than the events
			})
		})
	}
	t.Run("bury", func(t *testing.T) {
		bubble(t, Config{}, func(b *bench) {
			f := times(20)
			b.bury = func(events.DeadLetter) error { return f() }
			b.api.answer = failing(1, status(400))
			b.handle(1, message(1))
			after(5 * time.Minute)
			b.wantLetter(events.ReasonRefused, 1)
			b.wantCalls(1)
		})
	})
}

func TestAnEventTooLargeForNATSIsBuried(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.publish = func(uint64) error { return fmt.Errorf("publish: %w", tooLargeError{errors.New("too large")}) }
		b.handle(1, message(1))
		synctest.Wait()
		b.wantLetter(events.ReasonTooLarge, 1)
	})
}

func TestStopFinishesCallsUnderWayAndReleasesTheRest(t *testing.T) {
	bubble(t, Config{StopTimeout: 10 * time.Second}, func(b *bench) {
		b.api.answer = func(ctx context.Context, _ int, q question) ([]participants.Participant, error) {
			wait := 5 * time.Second
			if q.within == string(sid("CH", 2)) {
				wait = time.Hour
			}
			select {
			case <-time.After(wait):
				return nil, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		b.handle(1, message(1), message(2))
		synctest.Wait()
		b.handle(3, message(1)) // it arrives after its conversation's fetch began
		began := time.Now()
		b.stop()
		b.wantPublished("1")
		slices.Sort(b.released)
		if !slices.Equal(b.released, []uint64{2, 3}) {
			b.t.Errorf("got %v released, want [2 3]", b.released)
		}
		if took := time.Since(began); took != 10*time.Second {
			b.t.Errorf("got stopped after %v, want after StopTimeout", took)
		}
		b.handle(4, message(4))
		if !slices.Contains(b.released, 4) {
			b.t.Error("got a task taken after the end, want it released")
		}
	})
}

func TestStopGivesUpOnAwayNATS(t *testing.T) {
	bubble(t, Config{StopTimeout: 10 * time.Second}, func(b *bench) {
		b.publish = func(uint64) error { return errors.New("NATS is away") }
		b.handle(1, message(1))
		after(time.Second)
		b.stop()
		if !slices.Equal(b.released, []uint64{1}) {
			b.t.Errorf("got %v released, want [1]", b.released)
		}
	})
}

func TestNewNamesEveryWrongField(t *testing.T) {
	_, err := New(Config{Concurrency: 1 << 30, CallTimeout: time.Hour, ProbeEvery: -1, MaxRate: math.NaN(), MaxRosterAge: -1}, &fakeAPI{}, &ledger{}, nil, nil)
	want := `Concurrency is out of range: give 1 to 4096
ProbeEvery is not positive: give a duration such as 15s
MaxRate is out of range: give 0 to 10000 requests a second; 0 is no limit
MaxRosterAge is negative: give a duration such as 2s, or 0s
CallTimeout is longer than the head timeout: let an event wait for at least one call`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestTheTraceOfATaskGoesOn(t *testing.T) {
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	ctx := withTrace(t.Context(), tracedTask{context: func() context.Context { return trace.ContextWithSpanContext(context.WithoutCancel(t.Context()), sc) }})
	if got := trace.SpanContextFromContext(ctx); got.TraceID() != sc.TraceID() || ctx.Done() == nil {
		t.Errorf("got span %v, want the task's, and a context that ends with ours", got)
	}
}

type tracedTask struct {
	Task
	context func() context.Context
}

func (t tracedTask) Context() context.Context { return t.context() }

func TestNothingOfAnOldEventIsTakenForANewOneOfTheSameSequence(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = failing(1, status(400))
		b.bury = func(events.DeadLetter) error { return errors.New("NATS is away") }
		old := b.add(7, message(1))
		b.Handle(old)
		synctest.Wait() // its letter is written, and cannot be stored
		anew := b.add(7, message(1))
		anew.event.ID = "event-of-another-stream"
		b.Handle(anew)
		after(time.Minute)
		if len(b.letters) != 0 || len(b.published) != 1 || b.published[0].ID != anew.event.ID {
			b.t.Errorf("got %d letters and %v published, want the new event alone", len(b.letters), b.published)
		}
	})
}
