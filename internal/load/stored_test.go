package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/freeport"
	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/participants"
)

// store is a NATS that can be stopped and started again, with the streams that a Stored reads.
type store struct {
	t       *testing.T
	address string
	dir     string
	server  *broker.Embedded
	js      jetstream.JetStream
}

// newStore connects with options.
func newStore(t *testing.T, options ...nats.Option) *store {
	t.Helper()
	s := &store{t: t, address: freeport.Address(t), dir: t.TempDir()}
	s.start()
	t.Cleanup(func() { s.server.Shutdown() })
	s.js = s.connect(options...)
	for _, stage := range stages() {
		if _, err := s.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: strings.ToUpper(string(stage)), Subjects: []string{pattern(stage)}}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *store) connect(options ...nats.Option) jetstream.JetStream {
	s.t.Helper()
	conn, err := nats.Connect("nats://"+s.address, append(options, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(conn.Close)
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(200*time.Millisecond))
	if err != nil {
		s.t.Fatal(err)
	}
	return js
}

func (s *store) start() {
	s.t.Helper()
	var err error
	if s.server, err = broker.StartEmbedded(s.t.Context(), broker.EmbeddedConfig{Dir: s.dir, Listen: s.address, Name: "load"}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *store) mark() *Stored {
	s.t.Helper()
	stored, err := Mark(s.t.Context(), s.js)
	if err != nil {
		s.t.Fatal(err)
	}
	return stored
}

// pass sends n webhooks, of which all have come out.
func (s *store) pass(ledger *sandbox.Ledger, js jetstream.JetStream, n int) {
	s.t.Helper()
	for i := range n {
		e := events.Event{
			ID: fmt.Sprint(i), API: participants.Conversations, Resource: "message", Action: "added", Name: "onMessageAdded", Feed: events.FeedConversations,
			Account: sandbox.SID("AC", "load"), Refs: events.Refs{ConversationSID: sandbox.SID("CH", "load"), MessageSID: sandbox.SID("IM", fmt.Sprint(i))},
			ReceivedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Payload: []byte("{}"),
		}
		ledger.Sending(sandbox.Webhook{IDs: []string{e.ID}})(200)
		raw, err := events.EncodeRaw(e)
		s.publish(js, e.Subject(events.StageRaw), raw, err)
		enriched, err := events.EncodeEnriched(events.Enriched{Event: e, Roster: events.Roster{
			Status: events.RosterNotNeeded, Lookup: events.LookupNone, Participants: []participants.Participant{},
		}})
		s.publish(js, e.Subject(events.StageEnriched), enriched, err)
	}
}

func (s *store) publish(js jetstream.JetStream, subject string, data []byte, err error) {
	s.t.Helper()
	if err == nil {
		_, err = js.Publish(s.t.Context(), subject, data)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// wantClean checks that all n events are judged to have come out, once and in order.
func wantClean(t *testing.T, v sandbox.Verdict, err error, n int) {
	t.Helper()
	if err = errors.Join(err, v.Err()); err != nil || v.Raw != n || v.Enriched != n {
		t.Errorf("got %d events in RAW, %d in ENRICHED and %v, want %d each and no fault", v.Raw, v.Enriched, err, n)
	}
}

// during stops the server and starts do. It starts the server again when do has surely been refused something, and returns
// do's error.
func (s *store) during(do func() error) error {
	s.t.Helper()
	s.server.Shutdown()
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done: // too early: let the test say so
		s.start()
		return err
	case <-time.After(time.Second):
	}
	s.start()
	return <-done
}

func TestSettleWaitsForNATS(t *testing.T) {
	s := newStore(t)
	stored, ledger := s.mark(), sandbox.NewLedger()
	s.pass(ledger, s.js, 5)
	if err := s.during(func() error { return stored.Settle(t.Context(), ledger.Owed()) }); err != nil {
		t.Fatalf("got %v, want it to wait for a server that is away for a second", err)
	}
	v, err := stored.Judge(t.Context(), ledger)
	wantClean(t, v, err, 5)
}

func TestJudgeWaitsForNATS(t *testing.T) {
	s := newStore(t)
	stored, ledger := s.mark(), sandbox.NewLedger()
	s.pass(ledger, s.js, 5)
	var v sandbox.Verdict
	err := s.during(func() (err error) {
		v, err = stored.Judge(t.Context(), ledger)
		return err
	})
	wantClean(t, v, err, 5)
}

// Whatever is cut, and wherever, each message is recorded once.
func TestJudgeGoesOnWhereItWas(t *testing.T) {
	const n = 500
	frail := &dialer{}
	s := newStore(t, nats.SetCustomDialer(frail))
	stored, ledger := s.mark(), sandbox.NewLedger()
	stored.silence = 50 * time.Millisecond
	s.pass(ledger, s.connect(), n)
	frail.bears.Store(100 << 10)
	s.server.Shutdown() // the present connection bears anything
	s.start()
	v, err := stored.Judge(t.Context(), ledger)
	wantClean(t, v, err, n)
	if dialed := frail.dialed.Load(); dialed < 4 {
		t.Errorf("got %d connections, want several to be cut", dialed)
	}
}

// dialer takes its time to make connections that end once they have carried so many bytes to the client; 0 is at once, and any.
type dialer struct {
	bears, dialed atomic.Int64
}

func (d *dialer) Dial(network, address string) (net.Conn, error) {
	d.dialed.Add(1)
	bears := d.bears.Load()
	if bears > 0 {
		<-time.After(200 * time.Millisecond)
	}
	conn, err := net.Dial(network, address)
	if err != nil || bears == 0 {
		return conn, err
	}
	return &frailConn{conn, bears}, nil
}

type frailConn struct {
	net.Conn
	left int64
}

func (c *frailConn) Read(b []byte) (int, error) {
	if c.left <= 0 {
		_ = c.Close()
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.Conn.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	return n, err
}

func TestNATSThatStaysAwayIsAnError(t *testing.T) {
	s := newStore(t)
	stored := s.mark()
	stored.Patience = 300 * time.Millisecond
	s.server.Shutdown()
	_, judged := stored.Judge(t.Context(), sandbox.NewLedger())
	for name, err := range map[string]error{"Settle": stored.Settle(t.Context(), 1), "Judge": judged} {
		if err == nil || !strings.Contains(err.Error(), "see that it runs") {
			t.Errorf("%s: got %v, want an error that says what to do", name, err)
		}
	}
	s.start()
	began := time.Now()
	if err := stored.Settle(t.Context(), 1); err != nil || time.Since(began) < stored.Patience {
		t.Errorf("got %v after %s, want nil when nothing comes out for %s", err, time.Since(began), stored.Patience)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := stored.Settle(gone, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
