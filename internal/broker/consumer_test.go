package broker

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// NATS knows a task by its sequence alone, and in a QUEUE that was made anew there may be another event at it.
func TestATaskOfAQueueThatIsGoneTouchesNothingInTheNext(t *testing.T) {
	for _, away := range []bool{false, true} {
		t.Run(fmt.Sprintf("made anew while away %v", away), func(t *testing.T) {
			s, admin := provisioned(t, Topology{Partitions: 1})
			way := &wire{server: s}
			c := way.connect(t)
			for i := range 4 {
				publish(t, admin, event(key(i), 1))
			}
			w := work(t, c)
			old := w.take(t, 4)
			for _, task := range old[:2] {
				published(t, task)
				task.forget() // as a process that was told of it by nobody
			}
			if away {
				way.cut()
				eventually(t, "the connection is lost", func() bool { return !c.nc.IsConnected() })
			}
			makeQueueAnew(t, admin, Topology{Partitions: 1})
			way.mend()
			again := w.take(t, 3) // each at a sequence less by one
			slices.SortFunc(again, func(a, b *Task) int { return cmp.Compare(a.Sequence(), b.Sequence()) })
			if got, want := again[0].Event().ID, old[1].Event().ID; got != want || again[0].Sequence() != old[0].Sequence() {
				t.Fatalf("at sequence %d: got %s, want %s at %d", again[0].Sequence(), got, want, old[0].Sequence())
			}

			told := replied(t, admin, c, func() {
				_, headErr := old[0].Head(t.Context()) // it is done
				for what, err := range map[string]error{
					"Head":    headErr,
					"Publish": old[1].Publish(t.Context(), enriched(old[1].Event())),
					"Bury":    old[2].Bury(t.Context(), letter(old[2].Event())),
					"Extend":  old[2].Extend(),
				} {
					if !errors.Is(err, ErrLapsed) {
						t.Errorf("%s: got %v, want %v", what, err, ErrLapsed)
					}
				}
				if err := old[2].Release(); err != nil {
					t.Errorf("Release: got %v, want nil", err)
				}
				if left, _ := old[2].Left(); left >= 0 {
					t.Errorf("Left: got %v, want less than 0", left)
				}
				// What was under way when the consumer went ends in one of these.
				old[3].acknowledge(t.Context())
				_ = old[3].msg.term("")
				_ = old[3].msg.nakWithDelay(earlyWait)
			})
			if len(told) > 0 {
				t.Errorf("the old tasks told the server %q, want nothing", told)
			}
			if _, err := again[0].Head(t.Context()); !errors.Is(err, ErrDone) {
				t.Errorf("Head of what is done: got %v, want %v", err, ErrDone)
			}
			for _, task := range again[1:] {
				if err := task.Publish(t.Context(), enriched(task.Event())); err != nil {
					t.Errorf("Publish: got %v, want nil", err)
				}
			}
			eventually(t, "QUEUE is empty", func() bool { return messages(t, admin, queueStream) == 0 })
		})
	}
}

// replied returns what c tells the server of tasks while do runs.
func replied(t *testing.T, admin, c *Conn, do func()) (told []string) {
	t.Helper()
	const end = "$JS.ACK.end"
	sub, err := admin.nc.SubscribeSync(ackSubjects)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := admin.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	do()
	if err := c.nc.Publish(end, nil); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := sub.NextMsgWithContext(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m.Subject == end {
			return told
		}
		told = append(told, string(m.Data))
	}
}

// The pull is told that its consumer is gone, when no other has come in its place yet.
func TestATaskOfADeletedConsumerLapses(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1))
	task := work(t, c).take(t, 1)[0]
	consumer := consumerName(int(task.subject[len("rollcall.queue.")] - '0'))
	if err := c.js.DeleteConsumer(t.Context(), queueStream, consumer); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the hold has lapsed", func() bool { return errors.Is(task.Extend(), ErrLapsed) })
}

// A pull ends for many reasons; that another begins says nothing about the consumer.
func TestATaskOutlivesThePullThatItCameBy(t *testing.T) {
	s, admin := provisioned(t, Topology{Partitions: 1})
	c := dial(t, s, "enricher")
	publish(t, admin, event(key(1), 1))
	first := work(t, c)
	task := first.take(t, 1)[0]
	first.stop()
	publish(t, admin, event(key(2), 1))
	if other := work(t, c).take(t, 1)[0]; other.consumer != task.consumer {
		t.Error("got another consumer for the tasks of another pull, want the same")
	}
	if err := task.Publish(t.Context(), enriched(task.Event())); err != nil {
		t.Errorf("Publish: got %v, want nil", err)
	}
	eventually(t, "it is out of QUEUE", func() bool { return messages(t, admin, queueStream) == 1 })
}

// An operator may edit how long a task may be held while enrichers run.
func TestAnEditedAckWaitHoldsForAllTasks(t *testing.T) {
	topology := Topology{Partitions: 1}
	s, admin := provisioned(t, topology)
	c := dial(t, s, "enricher")
	publish(t, admin, event(key(1), 1))
	first := work(t, c)
	task := first.take(t, 1)[0]
	first.stop()
	topology.AckWait = 2 * topology.withDefaults().AckWait
	if _, err := admin.js.UpdateConsumer(t.Context(), queueStream, topology.withDefaults().consumer(0)); err != nil {
		t.Fatal(err)
	}
	publish(t, admin, event(key(2), 1))
	work(t, c).take(t, 1)
	if err := task.Extend(); err != nil {
		t.Fatal(err)
	}
	if left, whole := task.Left(); whole != topology.AckWait || left <= whole/2 {
		t.Errorf("Left: got %v of %v, want nearly %v", left, whole, topology.AckWait)
	}
}
