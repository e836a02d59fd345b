package broker

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-events/rollcall/internal/freeport"
)

func owned(c *Conn) int   { return int(testutil.ToFloat64(c.metrics.owned.WithLabelValues())) }
func known(c *Conn) int   { return int(testutil.ToFloat64(c.metrics.members.WithLabelValues())) }
func name(i int) string   { return string(rune('a' + i)) }
func least(n ...int) bool { return slices.Min(n) > 0 }

// team is several processes that take tasks.
type team struct {
	server  *Embedded
	conns   []*Conn
	workers []*worker
}

func newTeam(t *testing.T, s *Embedded, n int) *team {
	t.Helper()
	tm := &team{server: s}
	for i := range n {
		c := dial(t, s, name(i))
		tm.conns = append(tm.conns, c)
		tm.workers = append(tm.workers, work(t, c))
		tm.settle(t) // so that each comes to others who have shared all out
	}
	return tm
}

// settle waits until all know one another.
func (tm *team) settle(t *testing.T) {
	t.Helper()
	eventually(t, "all know one another", func() bool {
		return !slices.ContainsFunc(tm.conns, func(c *Conn) bool { return known(c) != len(tm.conns) || c.Enrichers() != len(tm.conns) })
	})
}

// total waits until n tasks have come, and returns how many came to each.
func (tm *team) total(t *testing.T, n int) (each []int) {
	t.Helper()
	eventually(t, "all tasks have come", func() bool {
		each = nil
		sum := 0
		for _, w := range tm.workers {
			each = append(each, len(w.tasks))
			sum += len(w.tasks)
		}
		return sum >= n
	})
	return each
}

// lose ends the i-th: nothing more leaves it, not even that it goes. It returns when the server knows: what that sends
// until then is held by nobody for AckWait.
func (tm *team) lose(t *testing.T, i int) {
	t.Helper()
	id, err := tm.conns[i].nc.GetClientID()
	if err != nil {
		t.Fatal(err)
	}
	tm.conns[i].nc.Close()
	tm.workers[i].stop()
	eventually(t, "the server knows that one is lost", func() bool {
		subs, err := tm.server.server.Subsz(&server.SubszOptions{Subscriptions: true})
		if err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(subs.Subs, func(s server.SubDetail) bool { return s.Cid == id })
	})
	tm.conns, tm.workers = slices.Delete(tm.conns, i, i+1), slices.Delete(tm.workers, i, i+1)
}

// slowBeats makes the bucket's TTL, and so the time between beats, longer than any test.
func slowBeats(t *testing.T, c *Conn) {
	t.Helper()
	cfg := Topology{}.withDefaults().members()
	cfg.MaxAge = time.Hour
	if _, err := c.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

func TestOneProcessOwnsAll(t *testing.T) {
	s, _ := provisioned(t, Topology{Partitions: 8})
	tm := newTeam(t, s, 1)
	if got := owned(tm.conns[0]); got != 8 {
		t.Errorf("got %d partitions, want all 8", got)
	}
	tm.workers[0].stop()
	if got := tm.conns[0].Enrichers(); got != 1 {
		t.Errorf("got %d enrichers, want 1 after Work has returned", got)
	}
	if got, members := owned(tm.conns[0]), known(tm.conns[0]); got != 0 || members != 0 {
		t.Errorf("after the end: got %d partitions among %d, want none", got, members)
	}
}

// The tasks of a partition come to one process, also in a burst.
func TestTasksComeToTheOwnerOfTheirPartition(t *testing.T) {
	s, c := provisioned(t, Topology{Partitions: 8})
	tm := newTeam(t, s, 3)
	var shares []int
	for _, c := range tm.conns {
		shares = append(shares, owned(c))
	}
	if slices.Sort(shares); !slices.Equal(shares, []int{2, 3, 3}) {
		t.Errorf("got shares %v, want 2, 3 and 3", shares)
	}
	const keys, burst = 30, 20
	n := 0
	say := func(rounds int) {
		for range rounds {
			for k := range keys {
				publish(t, c, event(key(k), n))
			}
			n++
		}
		tm.total(t, rounds*keys)
	}
	// Who knew fewer others at first owned more: that must have ended.
	eventually(t, "each takes its own", func() bool {
		say(1)
		return tm.strayed(8) == 0
	})
	say(burst)
	if got := tm.strayed(8); got > 0 {
		t.Errorf("got %d of %d tasks of a burst at another than their partition's owner, want none", got, burst*keys)
	}
}

// strayed takes all tasks that have come, and returns how many came to another than the owner.
func (tm *team) strayed(partitions int) (n int) {
	var all []string
	for _, c := range tm.conns {
		all = append(all, c.member)
	}
	owners, _ := owners(shareOut(all, partitions))
	for i, w := range tm.workers {
		for len(w.tasks) > 0 {
			partition, _ := strconv.Atoi(strings.Split((<-w.tasks).subject, ".")[2])
			if owners[partition] != tm.conns[i].member {
				n++
			}
		}
	}
	return n
}

// A partition goes to another process at once when its owner stops, with what that had not handed over.
func TestPartitionsOfOneWhoStopsMoveAtOnce(t *testing.T) {
	s, c := provisioned(t, Topology{Partitions: 4, AckWait: time.Hour})
	slowBeats(t, c)
	tm := newTeam(t, s, 2)
	tm.workers[0].stop()
	left := tm.conns[1]
	eventually(t, "the other owns all", func() bool { return owned(left) == 4 })
	for k := range 20 {
		publish(t, c, event(key(k), 1))
	}
	tm.workers[1].take(t, 20)
}

// One who is killed is a member until the TTL, which is an hour here. New tasks go to who stands in for it.
func TestPartitionsOfOneWhoIsKilledAreTakenBeforeItIsMissed(t *testing.T) {
	s, c := provisioned(t, Topology{Partitions: 4, AckWait: time.Hour})
	slowBeats(t, c)
	tm := newTeam(t, s, 3)
	held, published := tm.loseOneThatHolds(t)
	for k := range 40 {
		publish(t, c, event(key(100+k), 1))
	}
	tm.total(t, published-held+40)
	if got := known(tm.conns[0]); got != 3 {
		t.Errorf("got %d members known, want the one that was killed still among 3", got)
	}
}

// What one who is killed held comes after AckWait, and its partitions find new owners.
func TestWhatOneWhoIsKilledHeldComesAgain(t *testing.T) {
	s, _ := provisioned(t, Topology{Partitions: 4, AckWait: 5 * time.Second})
	tm := newTeam(t, s, 3)
	_, published := tm.loseOneThatHolds(t)
	tm.settle(t)
	if got := owned(tm.conns[0]) + owned(tm.conns[1]); got != 4 {
		t.Errorf("the others own %d partitions, want all 4", got)
	}
	got := map[string]bool{} // what the others hold comes again too
	eventually(t, "all events have come to the others", func() bool {
		for _, w := range tm.workers {
			for len(w.tasks) > 0 {
				got[(<-w.tasks).Event().ID] = true
			}
		}
		return len(got) == published
	})
}

// loseOneThatHolds ends one of the processes when each has some events, and returns how many it had, and all.
func (tm *team) loseOneThatHolds(t *testing.T) (held, published int) {
	t.Helper()
	published = tm.shared(t)
	held = len(tm.workers[0].tasks)
	tm.lose(t, 0)
	return held, published
}

// shared publishes events until each process has some, and all have come: who knows the others need not have asked the server
// for its own yet. It returns how many they are.
func (tm *team) shared(t *testing.T) (published int) {
	t.Helper()
	eventually(t, "each has some", func() bool {
		for k := range 40 {
			publish(t, tm.conns[0], event(key(k), published))
		}
		published += 40
		return least(tm.total(t, published)...)
	})
	return published
}

// Two processes that each think they own all share the tasks, and each event is done once and in order.
func TestTwoOwnersDoNothingTwice(t *testing.T) {
	s, c := provisioned(t, Topology{Partitions: 1})
	tasks := make(chan *Task, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var both [2]*ranks
	done := make(chan struct{}, len(both))
	for i := range both {
		conn := dial(t, s, name(i))
		both[i] = newRanks(1)
		both[i].deal([]string{name(i)}, name(i))
		go func() {
			_ = conn.workPartition(ctx, 0, both[i], func(task *Task) { tasks <- task })
			done <- struct{}{}
		}()
	}
	defer func() { cancel(); <-done; <-done }()
	var want []string
	for n := range 20 {
		publish(t, c, event(key(1), n))
		want = append(want, event(key(1), n).ID)
	}
	var all []*Task
	eventually(t, "all came", func() bool {
		for len(tasks) > 0 {
			all = append(all, <-tasks)
		}
		return len(all) == len(want)
	})
	eventually(t, "all are done", func() bool {
		for i, task := range all {
			if ok, err := task.Head(t.Context()); err != nil || !ok {
				continue
			}
			if err := task.Publish(t.Context(), enriched(task.Event())); err != nil {
				continue // the other was faster, say
			}
			all = slices.Delete(all, i, i+1)
			break
		}
		return len(all) == 0
	})
	if got := ids(t, c, enrichedStream, outcomesOn(key(1))); !slices.Equal(got, want) {
		t.Errorf("ENRICHED: got %v, want %v", got, want)
	}
}

// Without the bucket tasks go on, it is told once, and shares are dealt again when it is there again.
func TestTheBucketGoesAndIsMadeAnew(t *testing.T) {
	topology := Topology{Partitions: 4, AckWait: 2 * time.Second}
	s, c := provisioned(t, topology)
	var logged lockedBuffer
	conn, err := s.Connect(t.Context(), Config{Name: "logged", Log: slog.New(slog.NewTextHandler(&logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, conn)
	tm := newTeam(t, s, 1)
	tm.conns, tm.workers = append(tm.conns, conn), append(tm.workers, work(t, conn))
	tm.settle(t)
	if err := c.js.DeleteStream(t.Context(), membersStream); err != nil {
		t.Fatal(err)
	}
	const told = `level=WARN msg="NATS does not answer as it should, trying again" client=logged operation="find the other enrichers"`
	eventually(t, "it is told", func() bool { return strings.Contains(logged.String(), told) })
	tm.shared(t)
	if got := owned(conn); got != 2 {
		t.Errorf("without the bucket: got %d partitions, want 2", got)
	}
	if err := c.Provision(t.Context(), topology); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is found again", func() bool { return strings.Contains(logged.String(), "NATS answers again") })
	if got := bytes.Count([]byte(logged.String()), []byte(told)); got != 1 {
		t.Errorf("got %d lines that say %q, want 1", got, told)
	}
	tm.workers[0].stop()
	eventually(t, "the other's going is known", func() bool { return owned(conn) == 4 })
}

// A process that finds no bucket takes what others leave, from all partitions.
func TestWithoutTheBucketAllIsTaken(t *testing.T) {
	s, c := provisioned(t, Topology{Partitions: 4})
	if err := c.js.DeleteStream(t.Context(), membersStream); err != nil {
		t.Fatal(err)
	}
	conn := dial(t, s, "a")
	w := work(t, conn)
	for k := range 40 {
		publish(t, c, event(key(k), 1))
	}
	w.take(t, 40)
	if owned(conn) != 0 || known(conn) != 0 {
		t.Errorf("got %d partitions among %d members, want 0 among 0", owned(conn), known(conn))
	}
}

func TestAMemberThatDoesNotBeatIsGone(t *testing.T) {
	_, c := provisioned(t, Topology{})
	now := time.Now()
	c.now = func() time.Time { return now }
	m := &members{conn: c, ttl: 9 * time.Second, seen: map[string]sighting{}}
	look := func(found map[string]uint64, want ...string) {
		t.Helper()
		if m.update(found); !slices.Equal(m.names(), want) {
			t.Errorf("got %v, want %v", m.names(), want)
		}
	}
	look(map[string]uint64{"a": 1, "b": 2}, "a", "b")
	now = now.Add(8 * time.Second)
	look(map[string]uint64{"a": 3, "b": 2}, "a", "b")
	now = now.Add(2 * time.Second)
	look(map[string]uint64{"a": 3, "b": 2}, "a")      // b's key is there, and has not changed for too long
	look(map[string]uint64{}, "a")                    // made anew, or read where it is not yet
	look(map[string]uint64{"a": 1, "c": 2}, "a", "c") // made anew
	look(map[string]uint64{"a": 1, "c": 0}, "a")      // has left
	now = now.Add(10 * time.Second)
	look(map[string]uint64{"d": 9}, "d")
}

func TestWatchdog(t *testing.T) {
	_, c := provisioned(t, small)
	info := func(delivered uint64, held int, waiting uint64) *jetstream.ConsumerInfo {
		return &jetstream.ConsumerInfo{
			Config: jetstream.ConsumerConfig{MaxAckPending: 10}, Delivered: jetstream.SequenceInfo{Consumer: delivered}, NumAckPending: held, NumPending: waiting,
		}
	}
	tests := []struct {
		name    string
		owner   bool
		last    uint64
		info    *jetstream.ConsumerInfo
		stalled bool
		full    float64
	}{
		{"nothing waits", true, 5, info(5, 0, 0), false, 0},
		{"the owner gets nothing", true, 5, info(6, 0, 3), true, 0},
		{"another gets them", false, 5, info(6, 0, 3), false, 0},
		{"nobody gets them", false, 5, info(5, 0, 3), true, 0},
		{"full", true, 5, info(5, 10, 3), false, 1},
		{"full, for one who is not the owner", false, 5, info(5, 10, 3), false, 1},
		{"as much as there may be, and nothing waits", true, 5, info(5, 10, 0), false, 0},
	}
	for _, tt := range tests {
		w := &watchdog{conn: c, owner: tt.owner, delivered: tt.last}
		if got := w.judge(tt.info) != nil; got != tt.stalled {
			t.Errorf("%s: got stalled %v, want %v", tt.name, got, tt.stalled)
		}
		if got := testutil.ToFloat64(c.metrics.full.WithLabelValues()); got != tt.full {
			t.Errorf("%s: got %v partitions full, want %v", tt.name, got, tt.full)
		}
		w.close()
	}
	if got := testutil.ToFloat64(c.metrics.full.WithLabelValues()); got != 0 {
		t.Errorf("after the end: got %v partitions full, want 0", got)
	}
}

// Many partitions fail together when NATS goes: that is one line, and one when they all go on.
func TestAnOutageIsToldOnce(t *testing.T) {
	address, dir := freeport.Address(t), t.TempDir()
	s := serve(t, EmbeddedConfig{Dir: dir, Listen: address, SyncAlways: true})
	var logged lockedBuffer
	c, err := Connect(t.Context(), Config{URL: "nats://" + address, Name: "x", Log: slog.New(slog.NewTextHandler(&logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, c)
	eventually(t, "the streams are there", func() bool { return c.Provision(t.Context(), Topology{Partitions: 8}) == nil })
	w := work(t, c)
	publish(t, c, event(key(1), 1))
	w.take(t, 1)
	// As when the consumers' leaders are away: the connection is there, and no pull goes on.
	for p := range 8 {
		c.takeOutage.note(p, errStalled)
	}
	s.Shutdown()
	serve(t, EmbeddedConfig{Dir: dir, Listen: address, SyncAlways: true})
	eventually(t, "published again", func() bool { _, err := c.PublishRaw(t.Context(), event(key(2), 1)); return err == nil })
	eventually(t, "the new one is delivered", func() bool { return w.take(t, 1)[0].Event().Key() == key(2) })
	for p := range 8 {
		c.takeOutage.note(p, nil)
	}
	for text, want := range map[string]int{"does not answer as it should": 1, "NATS answers again": 1} {
		if got := strings.Count(logged.String(), text); got != want {
			t.Errorf("got %d lines that say %q, want %d", got, text, want)
		}
	}
}
