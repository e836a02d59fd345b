package scaling

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/enrich"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// The simulation is a model of internal/enrich. Here the real Pipeline gets the same webhooks and the same kind of API, in
// a bubble of fake time, and must come to the same.
func TestTheModelIsThePipeline(t *testing.T) {
	bursts := Load{Rate: 60, Conversations: 100, Zipf: 1, Burst: 5, Gap: 100 * time.Millisecond, Changes: 0.1}
	scattered := Load{Rate: 100}
	for name, s := range map[string]Scenario{
		"one event, one call":       {Load: scattered},
		"bursts":                    {Load: bursts},
		"bursts, with an age":       {Load: bursts, Enrich: Enrich{RosterAge: 5 * time.Second}},
		"NATS is slow":              {Load: bursts, Enrich: Enrich{Store: 50 * time.Millisecond}},
		"few calls at once":         {Load: bursts, Enrich: Enrich{Concurrency: 3}},
		"429s":                      {Load: scattered, Twilio: Twilio{Limit: 15}},
		"429s, bursts, with an age": {Load: bursts, Twilio: Twilio{Limit: 3}, Enrich: Enrich{RosterAge: 5 * time.Second}, Measure: 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			s.Twilio.Sigma, s.Seed, s.Measure = 0.7, 11, cmp.Or(s.Measure, 90*time.Second)
			var model tried
			r := simulate(s, func(it item, at time.Duration) { model.stored(at - it.arrived) })
			model.calls, model.refused = r.Calls, r.Refused
			pipeline := enrichAll(t, s.withDefaults())
			t.Logf("model %v, pipeline %v", model, pipeline)
			near(t, "calls for each event", model.perEvent(), pipeline.perEvent(), 0.1)
			near(t, "time from arrival to ENRICHED", model.mean().Seconds(), pipeline.mean().Seconds(), 0.15)
			if diff := model.refusedShare() - pipeline.refusedShare(); math.Abs(diff) > 0.03 {
				t.Errorf("got %.3g of the calls refused, want the pipeline's %.3g", model.refusedShare(), pipeline.refusedShare())
			}
		})
	}
}

// tried is what either came to.
type tried struct {
	events, calls, refused int
	took                   time.Duration // from arrival until stored, all events together
}

func (o *tried) stored(took time.Duration) { o.events, o.took = o.events+1, o.took+took }

func (o tried) perEvent() float64     { return float64(o.calls) / float64(o.events) }
func (o tried) refusedShare() float64 { return float64(o.refused) / float64(o.calls) }
func (o tried) mean() time.Duration   { return o.took / time.Duration(o.events) }
func (o tried) String() string {
	return fmt.Sprintf("%.3f calls for each of %d events, %.1f %% refused, %v", o.perEvent(), o.events, 100*o.refusedShare(), o.mean())
}

// arrivals is every webhook of s with its conversation, in order: what a run would be given.
func arrivals(s Scenario) (all []delivery) {
	r := newRun(s)
	r.tally.observe = func(item, time.Duration) {}
	r.agenda.plan(moment{what: burstBegins})
	for m := r.agenda.next(); m.at < s.WarmUp+s.Measure; m = r.agenda.next() {
		if r.now = m.at; m.what == burstBegins || m.what == webhookComes {
			r.happen(m)
		}
	}
	for n, l := range r.lanes {
		for _, it := range l.items {
			all = append(all, delivery{n, it})
		}
	}
	for _, q := range r.queue {
		all = append(all, q.waiting...)
	}
	slices.SortStableFunc(all, func(a, b delivery) int { return int(a.item.arrived - b.item.arrived) })
	return all
}

// enrichAll gives s's webhooks to a Pipeline.
func enrichAll(t *testing.T, s Scenario) (o tried) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{Twilio: s.Twilio, store: s.Enrich.Store, chance: newChance(s.Seed, 3, Load{})}
		cfg := enrich.Config{Concurrency: s.Enrich.Concurrency, MaxRosterAge: s.Enrich.RosterAge}
		p, err := enrich.New(cfg, w, anyone{}, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		began := time.Now()
		for i, d := range arrivals(s) {
			<-time.After(time.Until(began.Add(d.item.arrived)))
			p.Handle(&task{world: w, event: eventOf(d), seq: uint64(i) + 1, came: time.Now()})
		}
		<-time.After(time.Until(began.Add(s.Measure)))
		synctest.Wait()
		w.mu.Lock()
		o = w.tried
		w.mu.Unlock()
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	})
	return o
}

const accountSID = validation.SID("AC00000000000000000000000000000001")

func eventOf(d delivery) events.Event {
	e := events.Event{
		API: participants.Conversations, Resource: "message", Action: "added", Account: accountSID,
		Refs: events.Refs{ConversationSID: validation.SID(fmt.Sprintf("CH%032x", d.lane))},
	}
	if d.item.changes {
		e.Resource = "participant"
	}
	return e
}

// world is Twilio's API with a scenario's latency and limit, and the streams.
type world struct {
	enrich.API // but for what is asked here
	Twilio
	store time.Duration

	mu     sync.Mutex
	chance *chance
	atOnce int
	tried  tried
}

func (w *world) ListConversation(context.Context, participants.Credentials, validation.SID, validation.SID) ([]participants.Participant, error) {
	takes, accepted := w.begin()
	<-time.After(takes)
	if !accepted {
		return nil, &participants.Error{Failure: participants.FailureStatus, Status: http.StatusTooManyRequests}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.atOnce--
	return nil, nil
}

func (w *world) begin() (takes time.Duration, accepted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tried.calls++
	if w.Limit > 0 && w.atOnce >= w.Limit {
		w.tried.refused++
		return w.Refusal, false
	}
	w.atOnce++
	return w.chance.latency(w.Twilio), true
}

// anyone has credentials.
type anyone struct{}

func (anyone) API(validation.SID) (participants.Credentials, bool) {
	return participants.Credentials{Username: "user", Password: validation.NewSecret("token")}, true
}

// task is one of a conversation's, which only its lane holds.
type task struct {
	enrich.Task // but for what is asked here
	world       *world
	event       events.Event
	seq         uint64
	came        time.Time
}

func (t *task) Context() context.Context           { return context.Background() }
func (t *task) Event() events.Event                { return t.event }
func (t *task) Shed()                              {}
func (t *task) Sequence() uint64                   { return t.seq }
func (t *task) Head(context.Context) (bool, error) { return true, nil }
func (t *task) Left() (left, whole time.Duration)  { return time.Minute, time.Minute }
func (t *task) Extend() error                      { return nil }
func (t *task) Release() error                     { return nil }

func (t *task) Publish(context.Context, events.Enriched) error {
	<-time.After(t.world.store)
	t.world.mu.Lock()
	defer t.world.mu.Unlock()
	t.world.tried.stored(time.Since(t.came))
	return nil
}
