package chaos

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/enrich"
	"github.com/rollcall-events/rollcall/internal/ingest"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// The tests of this file are tests of the ledger: each takes one guard away, on the near side of the broker, and the ledger
// must tell. Beside each stands the same run with the guard.

// quiet is one server, one ingest and one conversation.
func quiet(t *testing.T, topology broker.Topology) (*rig, *crowd, *ingestProcess) {
	t.Helper()
	r := newRig(t, 1, topology)
	p := r.newIngest(t)
	return r, newCrowd(t, r, p), p
}

// say sends n webhooks of one conversation, one after the other.
func (c *crowd) say(n int) { c.sayIn(talk{events: n, known: true}) }

func (c *crowd) sayIn(t talk) {
	t.Talk = named("broken")
	c.let(t.events)
	<-c.begin([]talk{t})
}

// unguarded is a task without the broker's own checks: it publishes as an enricher would that had none, and takes the task
// out of QUEUE itself.
type unguarded struct {
	enrich.Task
	r *rig
}

func (u unguarded) store(ctx context.Context, e events.Enriched) (*jetstream.PubAck, error) {
	data, err := events.EncodeEnriched(e)
	if err != nil {
		return nil, err
	}
	m := &nats.Msg{Subject: e.Subject(events.StageEnriched), Data: data}
	return u.r.js.PublishMsg(ctx, m, jetstream.WithMsgID(e.ID))
}

// acknowledge removes from QUEUE the message that holds the event.
func (u unguarded) acknowledge(ctx context.Context) error {
	s, err := u.r.js.Stream(ctx, "ROLLCALL_QUEUE")
	if err != nil {
		return err
	}
	for seq := uint64(1); ; {
		m, err := s.GetMsg(ctx, seq, jetstream.WithGetMsgSubject("rollcall.queue.>"))
		if err != nil {
			return err
		}
		if e, err := events.DecodeRaw(m.Data); err == nil && e.ID == u.Event().ID {
			return s.DeleteMsg(ctx, m.Sequence)
		}
		seq = m.Sequence + 1
	}
}

// early acknowledges before it publishes, and now and then dies in between.
type early struct {
	unguarded
	dies bool
}

func (e early) Publish(ctx context.Context, event events.Enriched) error {
	if !e.dies {
		return e.Task.Publish(ctx, event)
	}
	if err := e.acknowledge(ctx); err != nil {
		return err
	}
	return fmt.Errorf("died before the publish")
}

func TestLedgerTellsOfAnAckBeforeThePublish(t *testing.T) {
	for _, tt := range []struct {
		name               string
		broken, audited    bool
		lost, dead, enrich int
	}{
		{"whole", false, true, 0, 0, 20},
		{"broken", true, false, 4, 0, 16},
		{"broken and audited", true, true, 0, 4, 16},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, c, _ := quiet(t, broker.Topology{Partitions: 1, AckWait: ackWait})
			r.audited = tt.audited
			var n atomic.Int64
			e := r.startEnricher(t, newLink(t, r.cluster.address), func(task enrich.Task) enrich.Task {
				return early{unguarded{task, r}, tt.broken && n.Add(1)%5 == 0}
			})
			c.say(20)
			r.settle(2*time.Second + 4*auditAfter)
			e.end()
			v := r.judge()
			if v.Lost != tt.lost || v.Missed != tt.dead || v.Dead != tt.dead || v.Enriched != tt.enrich || v.Twice+v.OutOfOrder+v.WronglyDead+v.Stale+v.Strange > 0 {
				t.Errorf("got %v, %d enriched and %d dead, want %d lost, %d enriched, %d dead", v.Err(), v.Enriched, v.Dead, tt.lost, tt.enrich, tt.dead)
			}
		})
	}
}

// headless believes that it is always the head.
type headless struct{ unguarded }

func (headless) Head(context.Context) (bool, error) { return true, nil }

func (h headless) Publish(ctx context.Context, e events.Enriched) error {
	if _, err := h.store(ctx, e); err != nil {
		return err
	}
	return h.acknowledge(ctx)
}

func TestLedgerTellsOfNoHeadCheck(t *testing.T) {
	for _, broken := range []bool{false, true} {
		t.Run(fmt.Sprintf("broken=%v", broken), func(t *testing.T) {
			r, c, _ := quiet(t, broker.Topology{Partitions: 1, AckWait: ackWait})
			// A first enricher dies with what it was given, which comes again only after AckWait.
			first := newLink(t, r.cluster.address)
			dead, dropped := dyingWorker(t, first)
			c.say(5)
			must(t, "the first enricher holds them", func() bool { return dropped.Load() == 5 })
			dead()
			e := r.startEnricher(t, newLink(t, r.cluster.address), func(task enrich.Task) enrich.Task {
				if broken {
					return headless{unguarded{task, r}}
				}
				return task
			})
			c.say(5)
			r.settle(3 * ackWait)
			e.end()
			v := r.judge()
			if wrong := v.OutOfOrder > 0; wrong != broken || v.Lost+v.Twice+v.WronglyDead+v.Stale+v.Strange > 0 {
				t.Errorf("got %v, want events out of order: %v", v.Err(), broken)
			}
		})
	}
}

// dyingWorker takes tasks and does nothing; stop kills it.
func dyingWorker(t *testing.T, l *link) (stop func(), taken *atomic.Int64) {
	t.Helper()
	conn, err := broker.Connect(context.WithoutCancel(t.Context()), broker.Config{URL: l.url(), Name: "enricher", Role: broker.RoleEnricher, Log: logger()})
	if err != nil {
		t.Fatal(err)
	}
	taken = new(atomic.Int64)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var working sync.WaitGroup
	working.Go(func() { _ = conn.Work(ctx, func(*broker.Task) { taken.Add(1) }) })
	stop = sync.OnceFunc(func() {
		l.cut()
		cancel()
		working.Wait()
		closing, done := context.WithTimeout(context.WithoutCancel(t.Context()), time.Second)
		defer done()
		_ = conn.Close(closing)
	})
	t.Cleanup(stop)
	return stop, taken
}

// late has asked for its head and its checkpoint, then sleeps until another has come to an end with the event and the stream
// has forgotten its id, and publishes: fenced by what is on some subjects of its key, or not at all.
type late struct {
	unguarded
	fence  string // "" for none
	result chan error
}

func (l late) Publish(ctx context.Context, e events.Enriched) error {
	fence, before := l.last(ctx, l.fence), l.last(ctx, bothOutcomes(l.Event()))
	must(l.r.t, "another has come to an end with it", func() bool { return l.last(ctx, bothOutcomes(l.Event())) > before })
	err := error(nil)
	must(l.r.t, "the stream has forgotten the id", func() bool {
		var ack *jetstream.PubAck
		if l.fence != "" {
			ack, err = l.storeFenced(ctx, e, fence)
		} else {
			ack, err = l.store(ctx, e)
		}
		return err != nil || !ack.Duplicate
	})
	l.result <- err
	return err
}

// last is the last sequence on subjects in ENRICHED.
func (l late) last(ctx context.Context, subjects string) uint64 {
	s, err := l.r.js.Stream(ctx, "ROLLCALL_ENRICHED")
	if err != nil || subjects == "" {
		return 0
	}
	m, err := s.GetLastMsgForSubject(ctx, subjects)
	if err != nil {
		return 0
	}
	return m.Sequence
}

// bothOutcomes are the subjects of what was enriched and what was buried on e's key; enrichedAlone are of the first alone.
func bothOutcomes(e events.Event) string { return events.Pattern("", "", "", "", e.Key()) }
func enrichedAlone(e events.Event) string {
	return events.Pattern(events.StageEnriched, "", "", "", e.Key())
}

func (l late) storeFenced(ctx context.Context, e events.Enriched, fence uint64) (*jetstream.PubAck, error) {
	data, err := events.EncodeEnriched(e)
	if err != nil {
		return nil, err
	}
	m := &nats.Msg{Subject: e.Subject(events.StageEnriched), Data: data}
	return l.r.js.PublishMsg(ctx, m, jetstream.WithMsgID(e.ID), jetstream.WithExpectLastSequenceForSubject(fence, l.fence))
}

func TestLedgerTellsOfNoFence(t *testing.T) {
	for _, c := range []struct {
		name   string
		fence  func(events.Event) string // nil for none
		buried bool                      // by the other, for the conversation is gone
		broken bool
	}{
		{"a fence", bothOutcomes, false, false},
		{"no fence", nil, false, true},
		{"a fence over burials", bothOutcomes, true, false},
		{"a fence over what is enriched alone", enrichedAlone, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, crowd, _ := quiet(t, broker.Topology{Partitions: 1, AckWait: time.Second, Duplicates: 100 * time.Millisecond})
			result := make(chan error, 1)
			var once sync.Once
			first := newLink(t, r.cluster.address)
			sleeper := r.startEnricher(t, first, func(task enrich.Task) (t enrich.Task) {
				t = task
				once.Do(func() {
					l := late{unguarded: unguarded{task, r}, result: result}
					if c.fence != nil {
						l.fence = c.fence(task.Event())
					}
					t = l
				})
				return t
			})
			crowd.sayIn(talk{events: 1, known: true, leaves: c.buried})
			// Its hold lapses: it is not extended, for only its way to NATS is cut. What it publishes goes another way.
			must(t, "a call was answered", func() bool { return r.calls() > 0 })
			first.cut()
			if c.buried {
				r.world.Change(func(s *sandbox.State) { s.RemoveConversation(named("broken").SID) })
			}
			e := r.startEnricher(t, newLink(t, r.cluster.address), nil)
			if err := <-result; (err == nil) != c.broken {
				t.Errorf("the late publish: got %v, want it to be stored: %v", err, c.broken)
			}
			r.settle(ackWait) // whoever buries has a second step to take
			sleeper.end()
			e.end()
			v := r.judge()
			if twice := v.Twice > 0; twice != c.broken || v.Lost+v.OutOfOrder+v.WronglyDead+v.Stale+v.Strange > 0 {
				t.Errorf("got %v, want an event twice: %v", v.Err(), c.broken)
			}
			if dead := v.Dead > 0; dead != c.buried {
				t.Errorf("got %d dead, want some: %v", v.Dead, c.buried)
			}
		})
	}
}

// hasty buries what it has just looked up.
type hasty struct {
	enrich.Task
	buries bool
}

func (h hasty) Publish(ctx context.Context, e events.Enriched) error {
	if !h.buries {
		return h.Task.Publish(ctx, e)
	}
	event := h.Event()
	return h.Bury(ctx, events.DeadLetter{
		ID: event.ID, Reason: events.ReasonNotFound, FailedAt: time.Now(), Event: &event, Feed: event.Feed, Account: event.Account,
	})
}

func TestLedgerTellsOfAWrongBurial(t *testing.T) {
	for _, broken := range []bool{false, true} {
		t.Run(fmt.Sprintf("broken=%v", broken), func(t *testing.T) {
			r, c, _ := quiet(t, broker.Topology{Partitions: 1, AckWait: ackWait})
			var n atomic.Int64
			e := r.startEnricher(t, newLink(t, r.cluster.address), func(task enrich.Task) enrich.Task {
				return hasty{task, broken && n.Add(1)%5 == 0}
			})
			c.say(20)
			r.settle(2 * time.Second)
			e.end()
			v := r.judge()
			if wrongly := v.WronglyDead > 0; wrongly != broken || v.Lost+v.Twice+v.OutOfOrder+v.Stale+v.Strange > 0 {
				t.Errorf("got %v, want events that are wrongly dead: %v", v.Err(), broken)
			}
		})
	}
}

// memory stores in NATS, and answers as if it had an outbox when it cannot.
type memory struct{ conn *broker.Conn }

func (m memory) Put(ctx context.Context, e events.Event) error {
	_, _ = m.conn.PublishRaw(ctx, e)
	return nil
}

func (m memory) Bury(ctx context.Context, d events.DeadLetter) error {
	_ = m.conn.PublishDead(ctx, d)
	return nil
}

func TestLedgerTellsOfNoOutbox(t *testing.T) {
	for _, broken := range []bool{false, true} {
		t.Run(fmt.Sprintf("broken=%v", broken), func(t *testing.T) {
			r, c, p := quiet(t, broker.Topology{Partitions: 1, AckWait: ackWait})
			e := r.startEnricher(t, newLink(t, r.cluster.address), nil)
			if broken {
				p.stop()
				l, err := net.Listen("tcp", p.address)
				if err != nil {
					t.Fatal(err)
				}
				p.start(l, func(conn *broker.Conn) ingest.Store { return memory{conn} })
			}
			c.say(3)
			p.link.cut()
			c.say(5)
			p.link.mend()
			c.say(3)
			r.settle(3 * time.Second)
			e.end()
			p.stop()
			v := r.judge()
			if lost := v.Lost > 0; lost != broken || v.Owed != 11 || v.Twice+v.OutOfOrder+v.WronglyDead+v.Stale+v.Strange > 0 {
				t.Errorf("got %v of %d, want lost events of 11: %v", v.Err(), v.Owed, broken)
			}
		})
	}
}
