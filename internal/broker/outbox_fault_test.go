package broker

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-events/rollcall/events"
)

// Publishes fail in the middle of what is drained: messages are lost on the way, stored without the
// acknowledgement coming back, or refused while later ones are taken.
func TestOutboxDrainsInOrderThroughFailures(t *testing.T) {
	for name, failing := range map[string]func(t *testing.T, s *Embedded, url string, total int) (throughURL string, check func()){
		"the connection is cut": func(t *testing.T, _ *Embedded, url string, _ int) (string, func()) {
			t.Helper()
			c := cut(t, url)
			return c.url, func() {
				if n := c.cuts.Load(); n < 2 {
					t.Errorf("got %d cuts, want some: the test did not test anything", n)
				}
			}
		},
		"some are refused": func(t *testing.T, s *Embedded, url string, total int) (string, func()) {
			t.Helper()
			refuseNowAndThen(t, dial(t, s, "admin"), total)
			return url, func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := skewed(1000)
			s := serve(t, EmbeddedConfig{Listen: "127.0.0.1:0"})
			reader := dial(t, s, "provisioner")
			if err := reader.Provision(t.Context(), small); err != nil {
				t.Fatal(err)
			}
			url, check := failing(t, s, s.ClientURL(), len(all))
			conn, err := Connect(t.Context(), Config{URL: url, Name: "ingest", FailFast: true, Registerer: prometheus.NewRegistry()})
			if err != nil {
				t.Fatal(err)
			}
			closeAtEnd(t, conn)
			o := openOutbox(t, conn, t.TempDir())
			fill(t, o, all)
			drain(t, o)
			eventually(t, "the outbox is empty", func() bool { return !o.waiting.Load() })
			wantOnKeys(t, all, inRaw(t, reader))
			check()
			failed := testutil.ToFloat64(conn.metrics.publishes.WithLabelValues("raw", string(outcomeTimeout))) +
				testutil.ToFloat64(conn.metrics.publishes.WithLabelValues("raw", string(outcomeRefused))) +
				testutil.ToFloat64(conn.metrics.publishes.WithLabelValues("raw", string(outcomeUnavailable)))
			if failed == 0 {
				t.Error("got no publish that failed, want some: the test did not test anything")
			}
			t.Logf("%v publishes failed", failed)
		})
	}
}

// refuseNowAndThen lets RAW take a few messages more whenever it is full, until it may take all.
func refuseNowAndThen(t *testing.T, admin *Conn, total int) {
	t.Helper()
	raw := small.withDefaults().streams()[0]
	limit := func(n int) (held int) {
		raw.MaxMsgs = int64(n)
		s, err := admin.js.UpdateStream(context.WithoutCancel(t.Context()), raw)
		if err != nil {
			t.Errorf("limit RAW: %v", err)
			return total
		}
		return int(s.CachedInfo().State.Msgs)
	}
	limit(10)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 10; n < total && ctx.Err() == nil; {
			if limit(n) == n {
				n += 1 + rand.N(100)
			}
		}
		limit(-1)
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// cutter stands between a client and NATS, and cuts each connection in the middle.
type cutter struct {
	url    string
	target string
	cuts   atomic.Int64
}

func cut(t *testing.T, target string) *cutter {
	t.Helper()
	c := &cutter{target: strings.TrimPrefix(target, "nats://")}
	c.url = between(t, c.pass)
	return c
}

// between returns the URL of what stands between clients and NATS: pass has each connection, until ctx is done.
func between(t *testing.T, pass func(ctx context.Context, client net.Conn)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { pass(ctx, client) })
		}
	})
	t.Cleanup(func() { cancel(); l.Close(); wg.Wait() })
	return "nats://" + l.Addr().String()
}

// pass is one connection: it ends after a random number of bytes, either way.
func (c *cutter) pass(ctx context.Context, client net.Conn) {
	defer client.Close()
	nats, err := new(net.Dialer).DialContext(ctx, "tcp", c.target)
	if err != nil {
		return
	}
	defer nats.Close()
	ended := make(chan struct{}, 2)
	copyTo := func(to, from net.Conn, most int64) {
		if n, _ := io.CopyN(to, from, most); n == most {
			c.cuts.Add(1)
		}
		ended <- struct{}{}
	}
	go copyTo(nats, client, 100_000+rand.N[int64](300_000))
	go copyTo(client, nats, 30_000+rand.N[int64](40_000))
	left := 2
	select {
	case <-ended:
		left--
	case <-ctx.Done():
	}
	client.Close()
	nats.Close()
	for range left {
		<-ended
	}
}

// strict is a NATS that does not allow ingest to publish everything, until allowAll.
type strict struct {
	reader   *Conn // may do everything
	ingest   *Conn
	allowAll func()
}

func natsThatAllows(t *testing.T, publish server.SubjectPermission) strict {
	t.Helper()
	opts := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}
	admin := &server.User{Username: "admin", Password: "x"}
	opts.Users = []*server.User{admin, {Username: "ingest", Password: "x", Permissions: &server.Permissions{Publish: &publish}}}
	s, err := startEmbedded(t.Context(), opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	connectAs := func(name string) *Conn {
		c, err := connect(t.Context(), Config{Name: name, FailFast: true}, nats.InProcessServer(s.server), nats.UserInfo(name, "x"))
		if err != nil {
			t.Fatal(err)
		}
		closeAtEnd(t, c)
		return c
	}
	n := strict{reader: connectAs("admin"), ingest: connectAs("ingest")}
	if err := n.reader.Provision(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	n.allowAll = func() {
		opts := opts.Clone()
		opts.Users = []*server.User{admin, {Username: "ingest", Password: "x"}}
		if err := s.server.ReloadOptions(opts); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// What is refused and what waits behind it on its key do not fill the window, however many they are, and neither does
// what comes in later wait for them.
func TestOutboxMovesOnBehindAStuckKey(t *testing.T) {
	stuck, free := series(1, windowMessages+1000), series(2, 20)
	n := natsThatAllows(t, server.SubjectPermission{Deny: []string{"rollcall.raw.*.*.*." + key(1)}})
	o := openOutbox(t, n.ingest, t.TempDir())
	fill(t, o, stuck)
	fill(t, o, free[:10])
	drain(t, o)
	eventually(t, "another key is drained", func() bool { return onDisk(t, o) == uint64(len(stuck)) })
	put(t, o, free[10:]...)
	eventually(t, "what came later is drained", func() bool { return onDisk(t, o) == uint64(len(stuck)) })
	wantOnKeys(t, free, inRaw(t, n.reader))

	n.allowAll()
	eventually(t, "the outbox is empty", func() bool { return !o.waiting.Load() })
	wantOnKeys(t, append(stuck, free...), inRaw(t, n.reader))
}

// series returns n events of one conversation.
func series(k, n int) (all []events.Event) {
	for i := range n {
		all = append(all, event(key(k), i))
	}
	return all
}

// What a pass leaves behind is bounded: beyond that it ends, and the next begins from the front.
func TestAPassLeavesOnlySoManyKeysBehind(t *testing.T) {
	p, refused := new(drainPass), errors.New("refused")
	leave := func(k int) error {
		m := &jetstream.RawStreamMsg{Subject: event(key(k), 0).Subject(events.StageRaw), Sequence: uint64(k) + 1}
		return p.leave(newWindow([]*jetstream.RawStreamMsg{m}, m.Sequence+1), refused)
	}
	for k := range stuckMost {
		if err := leave(k); err != nil {
			t.Fatalf("key %d: %v", k, err)
		}
	}
	if p.next != stuckMost+1 {
		t.Errorf("got to %d, want behind all %d", p.next, stuckMost)
	}
	if err := leave(stuckMost); !errors.Is(err, refused) {
		t.Errorf("one key more: got %v, want the pass to end, and why", err)
	}
}

// One message that NATS does not take holds up its own key, and no other.
func TestOutboxMovesOnPastWhatIsRefused(t *testing.T) {
	n := natsThatAllows(t, server.SubjectPermission{Allow: []string{"rollcall.raw.>"}})
	o := openOutbox(t, n.ingest, t.TempDir())
	o.waiting.Store(true)
	var free []events.Event
	put(t, o, event(key(1), 0))
	if err := o.Bury(t.Context(), letter(event(key(1), 1))); err != nil { // denied
		t.Fatal(err)
	}
	put(t, o, event(key(1), 2))
	for i := range 30 {
		for k := range 10 {
			free = append(free, event(key(2+k), i))
		}
	}
	fill(t, o, free)
	drain(t, o)
	eventually(t, "all but what waits behind the letter is drained", func() bool { return onDisk(t, o) == 2 })
	wantOnKeys(t, append(free, event(key(1), 0)), inRaw(t, n.reader))

	n.allowAll()
	eventually(t, "the outbox is empty", func() bool { return !o.waiting.Load() })
	wantOnKeys(t, append(free, event(key(1), 0), event(key(1), 2)), inRaw(t, n.reader))
	if got := messages(t, n.reader, deadStream); got != 1 {
		t.Errorf("DEAD: got %d letters, want 1", got)
	}
}

// What is under way when the process stops is finished, and does not stay on disk to be sent again.
func TestOutboxFinishesWhatIsUnderWay(t *testing.T) {
	all := skewed(1000)
	n := natsAway(t)
	n.start()
	o := openOutbox(t, n.conn, t.TempDir())
	fill(t, o, all)
	stop := drain(t, o)
	eventually(t, "some are drained", func() bool { return messages(t, n.conn, rawStream) > 100 })
	stop()
	sent, left := messages(t, n.conn, rawStream), onDisk(t, o)
	if sent+left != uint64(len(all)) || left == 0 {
		t.Errorf("got %d in RAW and %d on disk, want %d in all, and some left", sent, left, len(all))
	}
	drain(t, o)
	eventually(t, "the outbox is empty", func() bool { return !o.waiting.Load() })
	wantOnKeys(t, all, inRaw(t, n.conn))
	if got := testutil.ToFloat64(n.conn.metrics.publishes.WithLabelValues("raw", string(outcomeDuplicate))); got != 0 {
		t.Errorf("got %v messages sent twice, want none", got)
	}
}

// inRaw returns all that RAW holds.
func inRaw(t *testing.T, c *Conn) (all []*jetstream.RawStreamMsg) {
	t.Helper()
	for seq := uint64(1); ; {
		batch, err := c.readBatch(t.Context(), rawStream, batchRequest{Subject: ">", Seq: seq})
		if err != nil {
			t.Fatal(err)
		}
		if len(batch) == 0 {
			return all
		}
		all = append(all, batch...)
		seq = batch[len(batch)-1].Sequence + 1
	}
}

// wantOnKeys checks that got are the events, each once, those of a key in their order.
func wantOnKeys(t *testing.T, all []events.Event, got []*jetstream.RawStreamMsg) {
	t.Helper()
	want, have := make(map[string][]string), make(map[string][]string)
	for _, e := range all {
		want[e.Key()] = append(want[e.Key()], e.ID)
	}
	for _, m := range got {
		key := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
		have[key] = append(have[key], m.Header.Get(jetstream.MsgIDHeader))
	}
	if len(got) != len(all) {
		t.Errorf("got %d events, want %d", len(got), len(all))
	}
	for key, ids := range want {
		if !slices.Equal(have[key], ids) {
			t.Errorf("on key %s: got %d events, want %d in their order", key, len(have[key]), len(ids))
			return
		}
	}
}
