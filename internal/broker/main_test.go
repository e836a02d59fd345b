package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.uber.org/goleak"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

func TestMain(m *testing.M) {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(MayOutlive))
}

// small is a topology that is quick to declare. Its AckWait is long enough not to lapse by accident.
var small = Topology{Partitions: 2}

// key makes the n-th conversation.
func key(n int) string { return fmt.Sprintf("CH%032x", n) }

// event makes the n-th event of a conversation.
func event(conversation string, n int) events.Event {
	return events.Event{
		ID:         fmt.Sprintf("%s-%d", conversation, n),
		API:        participants.Conversations,
		Resource:   "message",
		Action:     "added",
		Name:       "onMessageAdded",
		Feed:       events.FeedConversations,
		Account:    validation.SID("AC" + strings.Repeat("a", 32)),
		Refs:       events.Refs{ConversationSID: validation.SID(conversation), MessageSID: validation.SID(fmt.Sprintf("IM%032x", n))},
		ReceivedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Payload:    []byte(`{"EventType":"onMessageAdded"}`),
	}
}

func enriched(e events.Event) events.Enriched {
	return events.Enriched{Event: e, Roster: events.Roster{Status: events.RosterResolved, Lookup: events.LookupConversation, FetchedAt: e.ReceivedAt}}
}

func letter(e events.Event) events.DeadLetter {
	return events.DeadLetter{ID: e.ID, Reason: events.ReasonNotFound, FailedAt: e.ReceivedAt, Event: &e, Feed: e.Feed, Account: e.Account}
}

// serve starts a server of the test's own.
func serve(tb testing.TB, cfg EmbeddedConfig) *Embedded {
	tb.Helper()
	if cfg.Dir == "" {
		cfg.Dir = tb.TempDir()
	}
	cfg.Name = "test"
	s, err := StartEmbedded(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Shutdown)
	return s
}

// dial connects to s as a client of the given name.
func dial(tb testing.TB, s *Embedded, name string) *Conn {
	tb.Helper()
	c, err := s.Connect(tb.Context(), Config{Name: name, FailFast: true})
	if err != nil {
		tb.Fatal(err)
	}
	closeAtEnd(tb, c)
	return c
}

func closeAtEnd(tb testing.TB, c *Conn) {
	tb.Helper()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 5*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
}

// provisioned returns a connection to a server with streams.
func provisioned(tb testing.TB, topology Topology) (*Embedded, *Conn) {
	tb.Helper()
	s := serve(tb, EmbeddedConfig{})
	c := dial(tb, s, "test")
	if err := c.Provision(tb.Context(), topology); err != nil {
		tb.Fatal(err)
	}
	return s, c
}

func publish(tb testing.TB, c *Conn, all ...events.Event) {
	tb.Helper()
	for _, e := range all {
		if _, err := c.PublishRaw(tb.Context(), e); err != nil {
			tb.Fatalf("PublishRaw: %v", err)
		}
	}
}

// worker collects the tasks that a Conn is given.
type worker struct {
	tasks chan *Task
	stop  func() // waits until Work has returned
}

func work(tb testing.TB, c *Conn) *worker {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	w := &worker{tasks: make(chan *Task, 10_000)}
	done := make(chan error, 1)
	go func() { done <- c.Work(ctx, func(task *Task) { w.tasks <- task }) }()
	w.stop = func() {
		if cancel(); done != nil {
			if err := <-done; err != nil && !c.nc.IsClosed() {
				tb.Errorf("Work: got %v, want nil", err)
			}
		}
		done = nil
	}
	tb.Cleanup(w.stop)
	return w
}

// take returns the next n tasks.
func (w *worker) take(tb testing.TB, n int) []*Task {
	tb.Helper()
	var got []*Task
	deadline := time.After(time.Minute)
	for len(got) < n {
		select {
		case task := <-w.tasks:
			got = append(got, task)
		case <-deadline:
			tb.Fatalf("got %d tasks, want %d", len(got), n)
		}
	}
	return got
}

// eventually waits until ok.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if <-tick.C; time.Now().After(deadline) {
			tb.Fatalf("%s: it did not come about in time", what)
		}
	}
}

// crashed returns a copy of a running server's store, as a crash would leave it. A copy during which the server renamed a file
// is of no one moment, and another is made.
func crashed(tb testing.TB, store string) (dir string) {
	tb.Helper()
	eventually(tb, "the store is copied", func() bool {
		dir = tb.TempDir()
		err := os.CopyFS(dir, os.DirFS(store))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			tb.Fatal(err)
		}
		return err == nil
	})
	return dir
}

// makeQueueAnew takes the first event out of RAW and makes QUEUE anew: what comes again is at a sequence less by one.
func makeQueueAnew(t *testing.T, admin *Conn, topology Topology) {
	t.Helper()
	raw, err := admin.js.Stream(t.Context(), rawStream)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{raw.DeleteMsg(t.Context(), 1), admin.js.DeleteStream(t.Context(), queueStream), admin.Provision(t.Context(), topology)} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// ids returns the Nats-Msg-Id of every message on subject in a stream, in order.
func ids(tb testing.TB, c *Conn, stream, subject string) []string {
	tb.Helper()
	var got []string
	for seq := uint64(1); ; {
		s, err := c.js.Stream(tb.Context(), stream)
		if err != nil {
			tb.Fatal(err)
		}
		m, err := s.GetMsg(tb.Context(), seq, jetstream.WithGetMsgSubject(subject))
		if err != nil {
			return got
		}
		got = append(got, m.Header.Get(jetstream.MsgIDHeader))
		seq = m.Sequence + 1
	}
}

// messages returns how many messages a stream holds.
func messages(tb testing.TB, c *Conn, stream string) uint64 {
	tb.Helper()
	s, err := c.js.Stream(tb.Context(), stream)
	if err != nil {
		tb.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

func head(tb testing.TB, task *Task) bool {
	tb.Helper()
	ok, err := task.Head(tb.Context())
	if err != nil {
		tb.Fatalf("Head: %v", err)
	}
	return ok
}

// lockedBuffer lets several goroutines log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
