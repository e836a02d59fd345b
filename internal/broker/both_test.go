package broker

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
)

// wire is a client's way to a server of this process. It can be cut, and it can hold up what is written to it.
type wire struct {
	server *Embedded
	mu     sync.Mutex
	jam    *jam
	isCut  bool
	conns  []net.Conn
}

// jam holds up the first write with some text in it, and so all that is written after it.
type jam struct {
	text  string
	stuck chan struct{} // closed when it has come
	clear chan struct{} // to be closed to let it through
}

// hold makes a jam of the next write that has text in it.
func (w *wire) hold(t *testing.T, text string) *jam {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jam = &jam{text: text, stuck: make(chan struct{}), clear: make(chan struct{})}
	return w.jam
}

// Dial implements nats.CustomDialer.
func (w *wire) Dial(string, string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isCut {
		return nil, net.ErrClosed
	}
	conn, err := w.server.server.InProcessConn()
	w.conns = append(w.conns, conn)
	return wired{conn, w}, err
}

// cut ends all connections, and lets none be made until mend.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = true
	for _, conn := range w.conns {
		_ = conn.Close()
	}
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = false
}

type wired struct {
	net.Conn
	wire *wire
}

func (c wired) Write(p []byte) (int, error) {
	c.wire.mu.Lock()
	j := c.wire.jam
	if j != nil && bytes.Contains(p, []byte(j.text)) {
		c.wire.jam = nil
	} else {
		j = nil
	}
	c.wire.mu.Unlock()
	if j != nil {
		close(j.stuck)
		<-j.clear
	}
	return c.Conn.Write(p)
}

func (w *wire) connect(t *testing.T) *Conn {
	t.Helper()
	c, err := connect(t.Context(), Config{Name: "wired"}, nats.SetCustomDialer(w))
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, c)
	return c
}

// onServers runs a test on one server and on a cluster of three.
func onServers(t *testing.T, topology Topology, test func(*testing.T, *Embedded, *Conn)) {
	t.Helper()
	t.Run("R1", func(t *testing.T) {
		s, c := provisioned(t, topology)
		test(t, s, c)
	})
	t.Run("R3", func(t *testing.T) {
		s := cluster(t)
		c := dial(t, s, "test")
		topology.Replicas = 3
		eventually(t, "the streams are declared", func() bool { return c.Provision(t.Context(), topology) == nil })
		eventually(t, "the streams can be read", func() bool { return readable(t, c) })
		test(t, s, c)
	})
}

// readable reports whether each stream can be read, of whose replicas a server hears a while after they were declared.
func readable(t *testing.T, c *Conn) bool {
	t.Helper()
	for _, stream := range []string{rawStream, queueStream, enrichedStream, deadStream} {
		if _, err := c.getLast(t.Context(), stream, ">"); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return false
		}
	}
	return true
}

// outcomes returns how often key's events came out in ENRICHED and in DEAD.
func outcomes(t *testing.T, c *Conn, key string) (enriched, dead int) {
	t.Helper()
	return len(ids(t, c, enrichedStream, events.Pattern(events.StageEnriched, "", "", "", key))), len(letters(t, c, DeadFilter{Key: key}))
}

// What one process has sent is stuck on its way for so long that another gets the task, and comes to another end with it.
func TestAnEventHasOneOutcomeHoweverLateAnotherComes(t *testing.T) {
	publishing := func(ctx context.Context, task *Task) error { return task.Publish(ctx, enriched(task.Event())) }
	burying := func(ctx context.Context, task *Task) error { return task.Bury(ctx, letter(task.Event())) }
	for _, tt := range []struct {
		name, stuck    string
		first, second  func(context.Context, *Task) error
		same           bool // in the end: what comes late may then be known by its id
		enriched, dead int
	}{
		{"a publication is late", "rollcall.enriched.", publishing, burying, false, 0, 1},
		{"a burial is late", "rollcall.buried.", burying, publishing, false, 1, 0},
		{"both are burials", "rollcall.buried.", burying, burying, true, 0, 1},
		{"both are publications", "rollcall.enriched.", publishing, publishing, true, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onServers(t, Topology{Partitions: 1, AckWait: time.Second}, func(t *testing.T, s *Embedded, c *Conn) {
				t.Helper()
				way := &wire{server: s}
				publish(t, c, event(key(1), 1))
				w := work(t, way.connect(t))
				first := w.take(t, 1)[0]
				if !head(t, first) {
					t.Fatal("Head of the first: got false, want true")
				}
				w.stop()
				jam := way.hold(t, tt.stuck)
				late := make(chan error, 1)
				go func() { late <- tt.first(t.Context(), first) }()
				<-jam.stuck

				second := work(t, dial(t, s, "second")).take(t, 1)[0]
				if !head(t, second) {
					t.Fatal("Head of the second: got false, want true")
				}
				if err := tt.second(t.Context(), second); err != nil {
					t.Fatal(err)
				}
				close(jam.clear)
				if err := <-late; !errors.Is(err, ErrFenced) && (err != nil || !tt.same) {
					t.Errorf("what came late: got %v, want %v", err, ErrFenced)
				}
				if enriched, dead := outcomes(t, c, key(1)); enriched != tt.enriched || dead != tt.dead {
					t.Errorf("got %d times enriched and %d times dead, want %d and %d", enriched, dead, tt.enriched, tt.dead)
				}
			})
		})
	}
}

// A server in a cluster decides on a message before the one before it is stored: the fence must hold between the two, although they are on
// different subjects. Both are sent at once, over and over.
func TestOfTwoOutcomesUnderWayAtOnceOneIsStored(t *testing.T) {
	onServers(t, Topology{Partitions: 1}, func(t *testing.T, _ *Embedded, c *Conn) {
		t.Helper()
		const n = 500
		var acks []jetstream.PubAckFuture
		for i := range n {
			e := event(key(i), 1)
			stages := []events.Stage{events.StageEnriched, stageBuried}
			if i%2 == 1 {
				slices.Reverse(stages)
			}
			for _, stage := range stages {
				ack, err := c.js.PublishMsgAsync(&nats.Msg{Subject: e.Subject(stage)}, jetstream.WithExpectLastSequenceForSubject(0, outcomesOn(e.Key())))
				if err != nil {
					t.Fatal(err)
				}
				acks = append(acks, ack)
			}
		}
		for i := range n {
			stored := 0
			for _, ack := range acks[2*i : 2*i+2] {
				select {
				case <-ack.Ok():
					stored++
				case err := <-ack.Err():
					if !isFenced(err) {
						t.Errorf("key %d: got %v, want it fenced", i, err)
					}
				}
			}
			if stored != 1 {
				t.Fatalf("key %d: got %d outcomes stored, want 1", i, stored)
			}
		}
		if got := messages(t, c, enrichedStream); got != n {
			t.Errorf("ENRICHED: got %d messages, want %d", got, n)
		}
	})
}

// buried leaves what a process leaves that dies between the burial and the letter.
func buried(t *testing.T, task *Task) {
	t.Helper()
	cp, err := task.claim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := task.conn.storeBurial(t.Context(), letter(task.Event()), task.origin, cp.fence); err != nil {
		t.Fatal(err)
	}
}

// sendLetter takes the second step of a burial, after which the process dies.
func sendLetter(t *testing.T, task *Task) {
	t.Helper()
	m, err := burialMessage(t.Context(), letter(task.Event()), task.origin)
	if err != nil {
		t.Fatal(err)
	}
	if err := task.conn.storeLetter(t.Context(), letterOf(m)); err != nil {
		t.Fatal(err)
	}
}

// died leaves the tasks of a process that died while it buried the first; it returns those that another process is given.
func died(t *testing.T, topology Topology, n int, at func(*testing.T, *Task)) (c *Conn, tasks []*Task) {
	t.Helper()
	s, c := provisioned(t, topology)
	for i := range n {
		publish(t, c, event(key(1), i))
	}
	w := work(t, dial(t, s, "dying"))
	tasks = w.take(t, n)
	if !head(t, tasks[0]) {
		t.Fatal("Head: got false, want true")
	}
	at(t, tasks[0])
	w.stop() // before it could be given them again
	for _, task := range tasks {
		if err := task.Release(); err != nil {
			t.Fatal(err)
		}
	}
	tasks = work(t, dial(t, s, "next")).take(t, n)
	slices.SortFunc(tasks, func(a, b *Task) int { return int(a.queue) - int(b.queue) })
	return c, tasks
}

func TestTheLetterOfABurialIsStoredByWhoeverGetsTheTask(t *testing.T) {
	c, tasks := died(t, small, 1, buried)
	if got := messages(t, c, deadStream); got != 0 {
		t.Fatalf("DEAD: got %d letters after the crash, want none yet", got)
	}
	if ok, err := tasks[0].Head(t.Context()); ok || !errors.Is(err, ErrDone) {
		t.Errorf("Head: got %v, %v, want false, %v", ok, err, ErrDone)
	}
	wantBuriedOnce(t, c, event(key(1), 0))
}

// The next event on the key may be worked on before the buried one is delivered again. Once it is published,
// nothing tells any more that the one before it was buried.
func TestTheLetterOfABurialIsStoredBeforeTheNextEvent(t *testing.T) {
	c, tasks := died(t, small, 2, buried)
	if !head(t, tasks[1]) {
		t.Fatal("Head of the event after the burial: got false, want true")
	}
	if err := tasks[1].Publish(t.Context(), enriched(tasks[1].Event())); err != nil {
		t.Fatal(err)
	}
	if ok, err := tasks[0].Head(t.Context()); ok || !errors.Is(err, ErrDone) {
		t.Errorf("Head of the buried event: got %v, %v, want false, %v", ok, err, ErrDone)
	}
	wantBuriedOnce(t, c, event(key(1), 0))
	eventually(t, "QUEUE is empty", func() bool { return messages(t, c, queueStream) == 0 })
}

// A letter whose id DEAD has forgotten is not stored again: it is looked for.
func TestALetterIsStoredOnceHoweverLateItsTaskComesAgain(t *testing.T) {
	topology := small
	topology.Duplicates = 100 * time.Millisecond
	c, tasks := died(t, topology, 1, func(t *testing.T, task *Task) {
		t.Helper()
		buried(t, task)
		sendLetter(t, task)
	})
	probe := nats.NewMsg("rollcall.dead.a.b.c.probe")
	eventually(t, "DEAD has forgotten the ids of then", func() bool {
		ack, err := c.js.PublishMsg(t.Context(), probe, jetstream.WithMsgID("probe"))
		if err != nil {
			t.Fatal(err)
		}
		return !ack.Duplicate && ack.Sequence > 2
	})
	if _, err := tasks[0].Head(t.Context()); !errors.Is(err, ErrDone) {
		t.Errorf("Head: got %v, want %v", err, ErrDone)
	}
	wantBuriedOnce(t, c, event(key(1), 0))
}

// While DEAD takes nothing, a burial is not the end of its task, and nothing passes it.
func TestABurialWaitsForDead(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 0), event(key(1), 1))
	tasks := work(t, c).take(t, 2)
	if !head(t, tasks[0]) {
		t.Fatal("Head: got false, want true")
	}
	if err := c.js.DeleteStream(t.Context(), deadStream); err != nil {
		t.Fatal(err)
	}
	var done interface{ Done() bool }
	if err := tasks[0].Bury(t.Context(), letter(tasks[0].Event())); err == nil || errors.As(err, &done) {
		t.Fatalf("Bury without DEAD: got %v, want an error after which the task is still held", err)
	}
	for i, task := range tasks {
		if ok, err := task.Head(t.Context()); ok || err == nil || errors.As(err, &done) {
			t.Errorf("Head of event %d without DEAD: got %v, %v, want false and an error after which the task is still held", i, ok, err)
		}
	}
	if err := c.Provision(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	if !head(t, tasks[1]) {
		t.Error("Head of the event after the burial, DEAD being there: got false, want true")
	}
	if _, err := tasks[0].Head(t.Context()); !errors.Is(err, ErrDone) {
		t.Errorf("Head of the buried event, DEAD being there: got %v, want %v", err, ErrDone)
	}
	wantBuriedOnce(t, c, event(key(1), 0))
}

// wantBuriedOnce wants one letter of e, whole, under the id of its task, and nothing of the broker's own in its headers.
func wantBuriedOnce(t *testing.T, c *Conn, e events.Event) {
	t.Helper()
	all := letters(t, c, DeadFilter{Key: e.Key()})
	if len(all) != 1 {
		t.Fatalf("DEAD: got %d letters, want 1", len(all))
	}
	b := all[0]
	if b.Err != nil || b.Letter.ID != e.ID || b.Letter.Event == nil || !bytes.Equal(b.Letter.Event.Payload, e.Payload) {
		t.Errorf("letter: got %+v, %v, want %s with its payload", b.Letter, b.Err, e.ID)
	}
	if got, want := b.identity(), "dead:ROLLCALL_RAW:1:"; len(got) <= len(want) || got[:len(want)] != want {
		t.Errorf("id of the letter: got %q, want %s…", got, want)
	}
	if got := b.msg.Header.Get(jetstream.ExpectedLastSubjSeqHeader); got != "" {
		t.Errorf("got a letter with the fence %q of its burial, want none", got)
	}
}
