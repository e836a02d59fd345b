package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/freeport"
)

// away is a NATS that can be started and stopped, and a connection of ingest's kind to it.
type away struct {
	t       *testing.T
	address string
	dir     string
	conn    *Conn
	server  *Embedded
}

func natsAway(t *testing.T) *away {
	t.Helper()
	n := &away{t: t, address: freeport.Address(t), dir: t.TempDir()}
	var err error
	if n.conn, err = Connect(t.Context(), Config{URL: n.address, Name: "ingest", FailFast: true, Registerer: prometheus.NewRegistry()}); err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, n.conn)
	return n
}

func (n *away) start() {
	n.t.Helper()
	n.server = serve(n.t, EmbeddedConfig{Dir: n.dir, Listen: n.address})
	if err := dial(n.t, n.server, "provisioner").Provision(n.t.Context(), small); err != nil {
		n.t.Fatal(err)
	}
	eventually(n.t, "ingest is connected", n.conn.nc.IsConnected)
}

func openOutbox(t *testing.T, conn *Conn, dir string) *Outbox {
	t.Helper()
	o, err := OpenOutbox(t.Context(), conn, OutboxConfig{Dir: dir, MaxBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Close)
	return o
}

// drain runs o until the test ends or stop is called.
func drain(t *testing.T, o *Outbox) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := o.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

func put(t *testing.T, o *Outbox, all ...events.Event) {
	t.Helper()
	for _, e := range all {
		if err := o.Put(t.Context(), e); err != nil {
			t.Fatalf("Put: %v", err)
		}
	}
}

func onDisk(t *testing.T, o *Outbox) uint64 {
	t.Helper()
	s, err := o.state(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Msgs
}

func TestOutboxIsNotUsedWhileNATSIsThere(t *testing.T) {
	n := natsAway(t)
	n.start()
	o := openOutbox(t, n.conn, t.TempDir())
	drain(t, o)
	put(t, o, event(key(1), 1))
	if err := o.Bury(t.Context(), letter(event(key(1), 2))); err != nil {
		t.Fatal(err)
	}
	if raw, dead := messages(t, n.conn, rawStream), messages(t, n.conn, deadStream); raw != 1 || dead != 1 {
		t.Errorf("got %d raw and %d dead messages in NATS, want 1 and 1", raw, dead)
	}
	if got := testutil.ToFloat64(o.metrics.kept); got != 0 {
		t.Errorf("kept on disk: got %v, want 0", got)
	}
}

func TestOutboxKeepsWhileNATSIsAway(t *testing.T) {
	n := natsAway(t)
	o := openOutbox(t, n.conn, t.TempDir())
	drain(t, o)
	var want []string
	for i := range 5 {
		put(t, o, event(key(1), i), event(key(2), i))
		want = append(want, event(key(1), i).ID)
	}
	if err := o.Bury(t.Context(), letter(event(key(1), 9))); err != nil {
		t.Fatal(err)
	}
	if err := o.Ready(t.Context()); err != nil {
		t.Errorf("Ready: got %v, want nil: there is room", err)
	}
	if got := onDisk(t, o); got != 11 {
		t.Errorf("on disk: got %d, want 11", got)
	}
	n.start()
	eventually(t, "the outbox is empty", func() bool { return !o.waiting.Load() })
	if got := ids(t, n.conn, rawStream, "*.*.*.*.*."+key(1)); !slices.Equal(got, want) {
		t.Errorf("RAW: got %v, want %v", got, want)
	}
	if got := messages(t, n.conn, deadStream); got != 1 {
		t.Errorf("DEAD: got %d, want 1", got)
	}
	m, err := n.conn.getFrom(t.Context(), rawStream, "*.*.*.*.*."+key(1), 1)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := events.DecodeRaw(m.Data); err != nil || e.ID != event(key(1), 0).ID || m.Header.Get("Content-Type") != events.ContentType {
		t.Errorf("got %+v, %v with headers %v, want the event as it was put", e, err, m.Header)
	}
	put(t, o, event(key(1), 10))
	if got := onDisk(t, o); got != 0 {
		t.Errorf("on disk after it was empty: got %d, want 0", got)
	}
}

// NATS is connected and does not answer: the first event waits, those behind it do not.
func TestOutboxWaitsForNATSOnlyOnce(t *testing.T) {
	n := natsAway(t)
	n.server = serve(t, EmbeddedConfig{Dir: n.dir, Listen: n.address})
	deaf := dial(t, n.server, "deaf")
	heard, err := deaf.nc.SubscribeSync("rollcall.raw.>") // so that nobody is told that no one answers
	if err != nil {
		t.Fatal(err)
	}
	if err := deaf.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "ingest is connected", n.conn.nc.IsConnected)
	o := openOutbox(t, n.conn, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	started := time.Now()
	if err := o.Put(ctx, event(key(1), 1)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(started); took < 500*time.Millisecond {
		t.Errorf("the first: took %s, want half of what its context leaves", took)
	}
	put(t, o, event(key(1), 2))
	if got := onDisk(t, o); got != 2 {
		t.Errorf("on disk: got %d, want 2", got)
	}
	if err := n.conn.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := deaf.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	for waiting, _, _ := heard.Pending(); waiting > 0; waiting-- {
		m, err := heard.NextMsg(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if id := m.Header.Get(nats.MsgIdHdr); id != event(key(1), 1).ID {
			t.Errorf("NATS was sent %s, want the first event alone: the second is to wait for no answer", id)
		}
	}
}

// A copy of the directory in use stands for a process that was killed.
func TestOutboxSurvivesAKill(t *testing.T) {
	n := natsAway(t)
	dir := t.TempDir()
	o := openOutbox(t, n.conn, dir)
	put(t, o, event(key(1), 1), event(key(1), 2))
	killed := crashed(t, dir)
	o.Close()
	o.Close()

	again := openOutbox(t, n.conn, killed)
	n.start()
	// What is new queues behind what an earlier process left.
	put(t, again, event(key(1), 3))
	if got := onDisk(t, again); got != 3 {
		t.Errorf("on disk: got %d, want 3", got)
	}
	drain(t, again)
	eventually(t, "the outbox is empty", func() bool { return !again.waiting.Load() })
	want := []string{event(key(1), 1).ID, event(key(1), 2).ID, event(key(1), 3).ID}
	if got := ids(t, n.conn, rawStream, ">"); !slices.Equal(got, want) {
		t.Errorf("RAW: got %v, want %v", got, want)
	}
}

func TestOutboxIsBounded(t *testing.T) {
	n := natsAway(t)
	o := openOutbox(t, n.conn, t.TempDir())
	stop := drain(t, o)
	large := func(i int) events.Event {
		e := event(key(1), i)
		e.Payload = fmt.Appendf(nil, `{"Body":%q}`, strings.Repeat("x", 1<<20))
		return e
	}
	stored := 0
	for err := error(nil); err == nil; stored++ {
		if err = o.Put(t.Context(), large(stored)); err != nil && (!isFull(err) || !strings.Contains(err.Error(), "the outbox is full")) {
			t.Fatalf("Put: got %v, want that the outbox is full", err)
		}
	}
	if stored--; stored < 2 || stored > 4 {
		t.Errorf("got %d events of 1 MiB in 4 MiB, want 3", stored)
	}
	if err := o.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("Ready: got %v, want an error that says full", err)
	}
	n.start()
	eventually(t, "the outbox is empty", func() bool { return !o.waiting.Load() })
	if err := o.Ready(t.Context()); err != nil {
		t.Errorf("Ready after it was drained: got %v, want nil", err)
	}
	stop()
	if got := ids(t, n.conn, rawStream, ">"); len(got) != stored {
		t.Errorf("RAW: got %d events, want the %d that were taken", len(got), stored)
	}
}

// An outbox that is full says so, whatever small messages it still takes, after a restart and with another limit, until NATS has taken enough.
func TestAFullOutboxIsNotReady(t *testing.T) {
	n := natsAway(t)
	dir := t.TempDir()
	open := func(limit int64) *Outbox {
		o, err := OpenOutbox(t.Context(), n.conn, OutboxConfig{Dir: dir, MaxBytes: limit})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(o.Close)
		return o
	}
	wantFull := func(when string, o *Outbox) {
		if err := o.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "the outbox is full") {
			t.Errorf("Ready %s: got %v, want that the outbox is full", when, err)
		}
	}
	sized := func(i, size int) events.Event {
		e := event(key(i), i)
		e.Payload = fmt.Appendf(nil, `{"Body":%q}`, strings.Repeat("x", size))
		return e
	}
	o := open(2 << 20)
	kept := 0
	for o.Put(t.Context(), sized(kept, 300<<10)) == nil {
		kept++
	}
	wantFull("after a refusal", o)
	put(t, o, sized(100, 10))
	wantFull("after a small message that had room", o)
	for _, limit := range []int64{2 << 20, 1 << 20} {
		o.Close()
		o = open(limit)
		wantFull(fmt.Sprintf("after a restart with %d bytes", limit), o)
	}
	o.Close()
	if o = open(8 << 20); o.Ready(t.Context()) != nil {
		t.Errorf("Ready after a restart with more room: got %v, want nil", o.Ready(t.Context()))
	}
	o.Close()
	o = open(2 << 20)
	n.start()
	stop := drain(t, o)
	eventually(t, "Ready is nil", func() bool { return o.Ready(t.Context()) == nil })
	eventually(t, "the outbox is empty", func() bool { return !o.waiting.Load() })
	stop()
	if got := messages(t, n.conn, rawStream); got != uint64(kept)+1 {
		t.Errorf("RAW: got %d events, want the %d that were taken", got, kept+1)
	}
}

// A message that is larger than what is kept free: readiness stays red while it would be refused.
func TestAnOutboxThatRefusedALargeMessageIsNotReady(t *testing.T) {
	n := natsAway(t)
	o := openOutbox(t, n.conn, t.TempDir())
	large := event(key(1), 1)
	large.Payload = fmt.Appendf(nil, `{"Body":%q}`, strings.Repeat("x", 5<<19)) // 2.5 MiB, twice of which do not go into 4 MiB
	put(t, o, large)
	if err := o.Ready(t.Context()); err != nil {
		t.Errorf("Ready with 1.5 MiB free: got %v, want nil", err)
	}
	large.ID += "-again"
	if err := o.Put(t.Context(), large); !isFull(err) {
		t.Fatalf("Put: got %v, want that the outbox is full", err)
	}
	put(t, o, event(key(2), 2))
	if err := o.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "the outbox is full") {
		t.Errorf("Ready after a refusal: got %v, want that the outbox is full", err)
	}
	n.start()
	drain(t, o)
	eventually(t, "Ready is nil", func() bool { return o.Ready(t.Context()) == nil })
}

func TestOutboxRefusesWhatNeverFits(t *testing.T) {
	n := natsAway(t)
	o := openOutbox(t, n.conn, t.TempDir())
	e := event(key(1), 1)
	e.Payload = fmt.Appendf(nil, `{"Body":%q}`, strings.Repeat("x", maxPayload))
	var tooLarge interface{ TooLarge() bool }
	if err := o.Put(t.Context(), e); !errors.As(err, &tooLarge) {
		t.Errorf("Put: got %v, want an error that says TooLarge", err)
	}
}

// A letter that is too large for one message says why it died all the same, whoever stores it, under the id that it would have whole.
func TestALetterWithoutATaskIsStoredInTheFormThatFits(t *testing.T) {
	n := natsAway(t)
	n.start()
	o := openOutbox(t, n.conn, t.TempDir())
	unparseable := func(body string) events.DeadLetter {
		d := events.Delivery{Feed: events.FeedFlex, Method: "POST", Body: []byte(body), ReceivedAt: time.Now()}
		return d.Unparseable("malformed JSON")
	}
	invalid := letter(event(key(1), 1))
	invalid.Reason, invalid.Event.Payload = events.ReasonInvalid, fmt.Appendf(nil, `{"Body":%q}`, strings.Repeat("x", maxPayload))
	anonymous := events.DeadLetter{Reason: events.ReasonCorrupt, FailedAt: time.Now(), Body: []byte("without an id")}
	want := map[string]events.DeadLetter{}
	for i, bury := range []func(context.Context, events.DeadLetter) error{n.conn.PublishDead, o.Bury} {
		for _, d := range []events.DeadLetter{
			unparseable(strings.Repeat(strconv.Itoa(i), maxPayload)), unparseable(strconv.Itoa(i)), invalid, anonymous,
		} {
			if err := bury(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			want[d.Identified().ID] = d
		}
	}
	stored := letters(t, n.conn, DeadFilter{})
	if len(stored) != len(want) {
		t.Errorf("DEAD: got %d letters, want %d", len(stored), len(want))
	}
	for _, b := range stored {
		got, d := b.Letter, want[b.Letter.ID]
		whole := len(d.Body) < maxPayload && (d.Event == nil || len(d.Event.Payload) < maxPayload)
		if b.Err != nil || got.Reason != d.Reason || !strings.HasPrefix(got.Detail, d.Detail) || got.Stripped == whole || whole && string(got.Body) != string(d.Body) {
			t.Errorf("got %s %s (%s), stripped %v, %v; want %s (%s), stripped %v", got.ID, got.Reason, got.Detail, got.Stripped, b.Err, d.Reason, d.Detail, !whole)
		}
		if id := b.msg.Header.Get(jetstream.MsgIDHeader); id != "dead:"+d.Identified().ID {
			t.Errorf("%s: got it stored as %s, want dead: and its id", got.ID, id)
		}
	}
}

// NATS turns out to take less than this disk did: what is too large for it holds up nothing, even if nobody can read it.
func TestOutboxBuriesWhatNATSCannotTake(t *testing.T) {
	n := natsAway(t)
	o := openOutbox(t, n.conn, t.TempDir())
	e := event(key(1), 1)
	e.Payload = fmt.Appendf(nil, `{"Body":%q}`, strings.Repeat("x", 200<<10))
	strange := make([]byte, 200<<10)
	put(t, o, e)
	if err := o.keep(t.Context(), newMessage(t.Context(), event(key(2), 1).Subject(events.StageRaw), "strange", strange), nil); err != nil {
		t.Fatal(err)
	}
	put(t, o, event(key(1), 2), event(key(2), 2))
	n.startWith(100 << 10)
	drain(t, o)
	eventually(t, "the outbox is empty", func() bool { return !o.waiting.Load() })
	got := ids(t, n.conn, rawStream, ">")
	if slices.Sort(got); !slices.Equal(got, []string{event(key(1), 2).ID, event(key(2), 2).ID}) {
		t.Errorf("RAW: got %v, want the two that NATS can take", got)
	}
	reasons := make(map[string]events.Reason)
	for seq := uint64(1); seq <= messages(t, n.conn, deadStream); seq++ {
		m, err := n.conn.getFrom(t.Context(), deadStream, ">", seq)
		if err != nil {
			t.Fatal(err)
		}
		d, err := events.DecodeDead(m.Data)
		if err != nil || !d.Stripped {
			t.Errorf("letter %d: got %+v, %v, want one without what Twilio sent", seq, d, err)
		}
		reasons[d.ID] = d.Reason
	}
	if want := map[string]events.Reason{e.ID: events.ReasonTooLarge, events.Digest(strange): events.ReasonCorrupt}; !maps.Equal(reasons, want) {
		t.Errorf("DEAD: got %v, want %v", reasons, want)
	}
}

// startWith starts it with a limit to the size of messages.
func (n *away) startWith(maxPayload int32) {
	n.t.Helper()
	host, port, _ := strings.Cut(n.address, ":")
	opts := &server.Options{Host: host, JetStream: true, StoreDir: n.dir, NoSigs: true, NoLog: true, MaxPayload: maxPayload}
	if _, err := fmt.Sscan(port, &opts.Port); err != nil {
		n.t.Fatal(err)
	}
	s, err := startEmbedded(n.t.Context(), opts, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(s.Shutdown)
	if err := dial(n.t, s, "provisioner").Provision(n.t.Context(), small); err != nil {
		n.t.Fatal(err)
	}
}

// The invariant of Outbox, under fire: NATS comes and goes while every key's events are put one after the other.
func TestOutboxKeepsOrder(t *testing.T) {
	const keys, each, outages = 8, 60, 3
	n := natsAway(t)
	n.start()
	o := openOutbox(t, n.conn, t.TempDir())
	drain(t, o)

	var putting sync.WaitGroup
	progress := make(chan struct{}, keys*each)
	for k := range keys {
		putting.Go(func() {
			for i := range each {
				if err := o.Put(t.Context(), event(key(k), i)); err != nil {
					t.Errorf("Put: %v", err)
				}
				progress <- struct{}{}
			}
		})
	}
	for range outages {
		for range keys * each / (2 * outages) {
			<-progress
		}
		n.server.Shutdown()
		for range keys * each / (4 * outages) {
			<-progress
		}
		n.server = serve(t, EmbeddedConfig{Dir: n.dir, Listen: n.address})
	}
	putting.Wait()
	eventually(t, "the outbox is empty", func() bool { return !o.waiting.Load() && n.conn.nc.IsConnected() })
	for k := range keys {
		var want []string
		for i := range each {
			want = append(want, event(key(k), i).ID)
		}
		if got := ids(t, n.conn, rawStream, "*.*.*.*.*."+key(k)); !slices.Equal(got, want) {
			t.Errorf("RAW on key %d: got %v, want %v", k, got, want)
		}
	}
	if got := testutil.ToFloat64(o.metrics.kept); got == 0 {
		t.Error("kept on disk: got 0, want some: the test did not test anything")
	}
}

// What the disk's server remembers of ids is ingest's memory. RAW knows them, whatever goes there twice.
func TestOutboxForgetsIDs(t *testing.T) {
	n := natsAway(t)
	o := openOutbox(t, n.conn, t.TempDir())
	put(t, o, event(key(1), 1))
	eventually(t, "the disk holds both", func() bool {
		put(t, o, event(key(1), 1))
		return onDisk(t, o) >= 2
	})
	n.start()
	drain(t, o)
	eventually(t, "the outbox is empty", func() bool { return !o.waiting.Load() })
	if got := ids(t, dial(t, n.server, "reader"), rawStream, ">"); len(got) != 1 {
		t.Errorf("RAW: got %v, want the event once", got)
	}
}

func TestOutboxMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	conn, err := Connect(t.Context(), Config{URL: freeport.Address(t), Name: "ingest", FailFast: true, Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, conn)
	o := openOutbox(t, conn, filepath.Join(t.TempDir(), "made", "for", "it"))
	put(t, o, event(key(1), 1))
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v, want nothing to say", problems, err)
	}
	want := "# HELP rollcall_outbox_messages Messages that wait on disk for NATS; -1 when the disk cannot be read.\n" +
		"# TYPE rollcall_outbox_messages gauge\nrollcall_outbox_messages 1\n"
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "rollcall_outbox_messages"); err != nil {
		t.Error(err)
	}
}

func TestOpenOutboxRefuses(t *testing.T) {
	n := natsAway(t)
	for name, cfg := range map[string]OutboxConfig{
		"no directory":  {},
		"no room":       {Dir: t.TempDir(), MaxBytes: 1},
		"no such place": {Dir: "/dev/null/x"},
	} {
		if o, err := OpenOutbox(t.Context(), n.conn, cfg); err == nil {
			o.Close()
			t.Errorf("%s: got nil, want an error", name)
		}
	}
}
