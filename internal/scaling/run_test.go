package scaling

import (
	"math"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/rollcall-events/rollcall/internal/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(broker.MayOutlive)) }

// near fails unless got is want within the given share of it.
func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within*math.Abs(want) {
		t.Errorf("%s: got %.5g, want %.5g within %g %%", what, got, want, 100*within)
	}
}

func TestTheSameSeedIsTheSameRun(t *testing.T) {
	s := Scenario{
		Load:   Load{Rate: 200, Conversations: 50, Zipf: 1, Burst: 4, Gap: 50 * time.Millisecond, Changes: 0.1},
		Twilio: Twilio{Sigma: 0.7, Limit: 5}, Enrich: Enrich{RosterAge: time.Second, Store: time.Millisecond}, Seed: 7,
	}
	a, b := Run(s), Run(s)
	if a != b {
		t.Errorf("got %+v and %+v of one seed", a, b)
	}
	s.Seed++
	if a == Run(s) {
		t.Errorf("got %+v of two seeds", a)
	}
}

// Where every event is in a conversation of its own, nothing can be saved, whatever the age.
func TestNothingIsSavedWithoutAConversationInCommon(t *testing.T) {
	calls, events := 0, 0
	r := simulate(Scenario{
		Load: Load{Rate: 100}, Twilio: Twilio{Sigma: 0.7}, Enrich: Enrich{RosterAge: time.Minute, Store: time.Millisecond},
	}, func(it item, _ time.Duration) {
		events++
		if it.took > 0 {
			calls++
		}
	})
	if calls != events || events < 5000 {
		t.Errorf("got %d calls for %d events, want one each", calls, events)
	}
	near(t, "calls per event", r.CallsPerEvent(), 1, 0.01) // some are under way at the ends of the count
}

// arbitrary draws a scenario of a few seconds.
func arbitrary(t *rapid.T) Scenario {
	ms := func(name string, from, to int) time.Duration {
		return time.Duration(rapid.IntRange(from, to).Draw(t, name)) * time.Millisecond
	}
	return Scenario{
		Load: Load{
			Rate: float64(rapid.IntRange(1, 300).Draw(t, "rate")), Conversations: rapid.IntRange(0, 100).Draw(t, "conversations"),
			Zipf: rapid.Float64Range(0, 1.5).Draw(t, "zipf"), Burst: rapid.Float64Range(1, 20).Draw(t, "burst"),
			Gap: ms("gap", 0, 500), Changes: rapid.Float64Range(0, 1).Draw(t, "changes"),
		},
		Twilio: Twilio{Median: ms("median", 1, 300), Sigma: rapid.Float64Range(0, 1).Draw(t, "sigma"), Limit: rapid.IntRange(0, 20).Draw(t, "limit")},
		Enrich: Enrich{
			Processes: rapid.IntRange(1, 3).Draw(t, "processes"), Concurrency: rapid.IntRange(1, 64).Draw(t, "concurrency"),
			RosterAge: ms("age", 0, 2000), Store: ms("store", 0, 20), Partitions: rapid.IntRange(1, 8).Draw(t, "partitions"),
		},
		Seed: rapid.Uint64().Draw(t, "seed"), Measure: 5 * time.Second,
	}
}

func TestNoRosterIsOlderThanAllowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := arbitrary(t)
		simulate(s, func(it item, at time.Duration) {
			allowed := s.Enrich.RosterAge
			if it.changes {
				allowed = 0
			}
			switch {
			case !it.answered:
				t.Fatalf("an event was stored without an answer: %+v", it)
			case it.began < it.came-allowed:
				t.Fatalf("got a call that began at %v for an event that came at %v, want it at most %v before", it.began, it.came, allowed)
			case at < it.came || it.came < it.arrived || it.began+it.took > at:
				t.Fatalf("got an event out of time: %+v stored at %v", it, at)
			}
		})
	})
}

func TestLimitsAreKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := arbitrary(t)
		r := Run(s)
		atMost := float64(s.Enrich.Processes * s.Enrich.Concurrency)
		if s.Twilio.Limit > 0 {
			atMost = min(atMost, float64(s.Twilio.Limit))
		}
		if r.AtOnce > atMost {
			t.Errorf("got %v calls at once, want at most %v", r.AtOnce, atMost)
		}
		if s.Twilio.Limit == 0 && r.Refused > 0 {
			t.Errorf("got %d calls refused without a limit", r.Refused)
		}
	})
}

// Little's law, twice: calls at once are the rate of calls times what one takes, and the backlog is the rate of events times
// how long one stays.
func TestLittlesLaw(t *testing.T) {
	s := Scenario{
		Load:   Load{Rate: 400, Conversations: 100, Zipf: 1, Burst: 3, Gap: 100 * time.Millisecond},
		Twilio: Twilio{Sigma: 0.7, Limit: 60}, Enrich: Enrich{Store: 2 * time.Millisecond}, Seed: 1, WarmUp: 10 * time.Second, Measure: 200 * time.Second,
	}
	var stayed time.Duration
	events := 0
	r := simulate(s, func(it item, at time.Duration) {
		if at >= s.WarmUp {
			events++
			stayed += at - it.arrived
		}
	})
	seconds := s.Measure.Seconds()
	near(t, "calls at once", r.AtOnce, float64(r.Calls-r.Refused)/seconds*s.Twilio.withDefaultMean().Seconds(), 0.02)
	near(t, "backlog", r.Held, float64(r.Arrivals)/seconds*(stayed/time.Duration(events)).Seconds(), 0.02)
}

// withDefaultMean is the mean with the default median.
func (t Twilio) withDefaultMean() time.Duration {
	return Scenario{Twilio: t}.withDefaults().Twilio.mean()
}

// With one call at a time and no conversation in common the throttle is an M/G/1 queue, whose mean wait is known
// (Pollaczek and Khinchine): rate · E[S²] / 2(1 - rate · E[S]).
func TestOneCallAtATimeIsAnMG1Queue(t *testing.T) {
	for name, sigma := range map[string]float64{"all alike (M/D/1)": 0, "log-normal": 0.7} {
		t.Run(name, func(t *testing.T) {
			s := Scenario{
				Load: Load{Rate: 6}, Twilio: Twilio{Sigma: sigma}, Enrich: Enrich{Concurrency: 1},
				Seed: 3, WarmUp: time.Minute, Measure: 5 * time.Hour,
			}
			mean := s.Twilio.withDefaultMean().Seconds()
			square := mean * mean * math.Exp(sigma*sigma)
			near(t, "wait", Run(s).WaitMean.Seconds(), s.Load.Rate*square/2/(1-s.Load.Rate*mean), 0.05)
		})
	}
}

// With c calls at a time, what can be done a second is c over what a call takes: below it the backlog stays, above it
// grows by what is too much.
func TestCapacityIsCallsAtOnceOverLatency(t *testing.T) {
	const atOnce = 10
	s := Scenario{Enrich: Enrich{Concurrency: atOnce}, Twilio: Twilio{Sigma: 0.7}, Seed: 1, WarmUp: 10 * time.Second, Measure: 5 * time.Minute}
	most := atOnce / s.Twilio.withDefaultMean().Seconds()
	s.Load.Rate = 0.9 * most
	if r := Run(s); !r.Stable() {
		t.Errorf("at nine tenths of the capacity: got a backlog that grows by %.3g of what comes", r.Growth)
	}
	s.Load.Rate = 1.25 * most
	near(t, "growth at five quarters of the capacity", Run(s).Growth, 0.2, 0.1)
}

// One conversation, calls that all take as long: a call serves all that came during the one before, or, when none did, the
// next to come. So it serves a + e^-a on average, where a come during a call.
func TestWhatCoalescingSaves(t *testing.T) {
	for _, rate := range []float64{0.5, 5, 30} {
		s := Scenario{Load: Load{Rate: rate, Conversations: 1}, Seed: 5, Measure: 2 * time.Hour}
		if rate > 20 {
			s.Measure = 20 * time.Minute
		}
		a := rate * s.Twilio.withDefaultMean().Seconds()
		r := Run(s)
		near(t, "calls per event", r.CallsPerEvent(), 1/(a+math.Exp(-a)), 0.02)
		if most := s.Measure.Seconds()/s.Twilio.withDefaultMean().Seconds() + 1; float64(r.Calls) > most {
			t.Errorf("got %d calls, want at most %v: one after the other", r.Calls, most)
		}
	}
}

// One conversation, an age longer than a call: a call serves the event that it was made for and all that come within the age.
func TestWhatARosterAgeSaves(t *testing.T) {
	for _, age := range []time.Duration{time.Second, 10 * time.Second} {
		s := Scenario{Load: Load{Rate: 2, Conversations: 1}, Enrich: Enrich{RosterAge: age}, Seed: 5, Measure: 10 * time.Hour}
		near(t, age.String(), Run(s).CallsPerEvent(), callsPerEvent(2, 0, age), 0.02)
	}
}

// What does not fit on the shelf is fetched again.
func TestTheShelfIsBounded(t *testing.T) {
	s := Scenario{
		Load: Load{Rate: 2000, Conversations: 1000}, Enrich: Enrich{RosterAge: 10 * time.Second, Roster: 9, Concurrency: 1000},
		Seed: 1, WarmUp: 10 * time.Second, Measure: 20 * time.Second,
	}
	fits := Run(s).CallsPerEvent()
	near(t, "what fits", fits, callsPerEvent(2, 0, s.Enrich.RosterAge), 0.1)
	s.Enrich.Roster = 199 // 250 answers fit
	if got := Run(s).CallsPerEvent(); got < 5*fits {
		t.Errorf("got %.3g calls per event with a quarter of the conversations on the shelf, want far more than %.3g", got, fits)
	}
}

// A refused call is not lost time for Twilio, but its lane waits, and calls become fewer.
func TestThe429sBecomeFew(t *testing.T) {
	s := Scenario{
		Load: Load{Rate: 150}, Twilio: Twilio{Sigma: 0.7, Limit: 20}, Seed: 1, WarmUp: time.Minute, Measure: 5 * time.Minute,
	}
	r := Run(s)
	if !r.Stable() || r.Refused == 0 || r.RefusedShare() > 0.1 {
		t.Errorf("got %.3g of the calls refused, stable %t; want some, below a tenth, and a backlog that stays", r.RefusedShare(), r.Stable())
	}
	if r.AtOnce > 20 {
		t.Errorf("got %v calls at once, want at most 20", r.AtOnce)
	}
}
