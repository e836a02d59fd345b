package broker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// held takes the place of RAW, and answers when it is told to.
func held(t *testing.T, c *Conn) <-chan *nats.Msg {
	t.Helper()
	taken := make(chan *nats.Msg, 10)
	if _, err := c.nc.ChanSubscribe("rollcall.raw.>", taken); err != nil {
		t.Fatal(err)
	}
	if err := c.nc.FlushTimeout(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	return taken
}

func (a *acks) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.waiting)
}

func raw(t *testing.T, n int) *nats.Msg {
	t.Helper()
	m, err := rawMessage(t.Context(), event(key(n), n))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// An acknowledgement that comes too late is not kept, nor taken for that of another publish.
func TestALateAcknowledgementIsNobodys(t *testing.T) {
	s := serve(t, EmbeddedConfig{})
	c, stream := dial(t, s, "ingest"), dial(t, s, "stream")
	taken := held(t, stream)

	if _, err := c.storeWithin(t.Context(), raw(t, 1), 20*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("storeWithin: got %v, want its deadline exceeded", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.storeWithin(cancelled, raw(t, 2), time.Minute); !errors.Is(err, context.Canceled) {
		t.Fatalf("storeWithin: got %v, want it cancelled", err)
	}
	if n := c.acks.count(); n != 0 {
		t.Errorf("got %d publishes waiting, want none", n)
	}
	first := <-taken
	result := make(chan error, 1)
	go func() {
		duplicate, err := c.storeWithin(t.Context(), raw(t, 3), time.Minute)
		if !duplicate {
			err = errors.Join(err, errors.New("got the late acknowledgement"))
		}
		result <- err
	}()
	second := <-taken
	for m, text := range map[*nats.Msg]string{first: `{"stream":"ROLLCALL_RAW","seq":1}`, second: `{"stream":"ROLLCALL_RAW","seq":2,"duplicate":true}`} {
		if err := m.Respond([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-result; err != nil {
		t.Errorf("storeWithin: got %v, want a duplicate", err)
	}
}

func TestALostConnectionEndsWaitingPublishes(t *testing.T) {
	s := serve(t, EmbeddedConfig{})
	c, stream := dial(t, s, "ingest"), dial(t, s, "stream")
	taken := held(t, stream)
	result := make(chan error, 1)
	go func() {
		_, err := c.storeWithin(t.Context(), raw(t, 1), time.Minute)
		result <- err
	}()
	<-taken
	s.Shutdown()
	select {
	case err := <-result:
		if !errors.Is(err, nats.ErrDisconnected) {
			t.Errorf("storeWithin: got %v, want %v", err, nats.ErrDisconnected)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still waiting 10 s after the connection was lost")
	}
	if _, err := c.storeWithin(t.Context(), raw(t, 2), time.Minute); !errors.Is(err, nats.ErrReconnectBufExceeded) {
		t.Errorf("storeWithin while disconnected: got %v, want it refused at once", err)
	}
}

// What is denied on one subject ends only the publishes on that.
func TestADenialEndsOnlyWhatWasDenied(t *testing.T) {
	n := natsThatAllows(t, server.SubjectPermission{Deny: []string{"rollcall.raw.*.*.*." + key(1)}})
	if err := n.reader.js.DeleteStream(t.Context(), rawStream); err != nil {
		t.Fatal(err)
	}
	taken := held(t, n.reader)
	result := make(chan error, 1)
	go func() {
		_, err := n.ingest.storeWithin(t.Context(), raw(t, 2), time.Minute)
		result <- err
	}()
	m := <-taken
	var denied *deniedError
	if _, err := n.ingest.storeWithin(t.Context(), raw(t, 1), time.Minute); !errors.As(err, &denied) {
		t.Errorf("storeWithin: got %v, want it denied", err)
	}
	if err := m.Respond([]byte(`{"stream":"ROLLCALL_RAW","seq":1}`)); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Errorf("storeWithin of another key: got %v, want nil", err)
	}
}

func TestWhatJetStreamAnswers(t *testing.T) {
	s := serve(t, EmbeddedConfig{})
	c, stream := dial(t, s, "ingest"), dial(t, s, "stream")
	if _, err := c.storeWithin(t.Context(), raw(t, 1), time.Minute); !errors.Is(err, jetstream.ErrNoStreamResponse) {
		t.Errorf("without a stream: got %v, want %v", err, jetstream.ErrNoStreamResponse)
	}
	taken := held(t, stream)
	for text, want := range map[string]error{
		`{"stream":"ROLLCALL_RAW","seq":7,"more":{}}`:                                                nil,
		`{"error":{"code":503,"err_code":10077,"description":"no"},"stream":"ROLLCALL_RAW","seq":0}`: &jetstream.APIError{ErrorCode: errCodeStoreFailed},
		`{"seq":7}`: jetstream.ErrInvalidJSAck,
		`stored`:    jetstream.ErrInvalidJSAck,
	} {
		result := make(chan error, 1)
		go func() {
			_, err := c.storeWithin(t.Context(), raw(t, 1), time.Minute)
			result <- err
		}()
		if err := (<-taken).Respond([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := <-result; !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("answered %s: got %v, want %v", text, err, want)
		}
	}
}

// TestAPublishAllocatesLess holds a publish to a budget, which is what a request of the client takes: both are measured with
// all that client and server allocate for them.
func TestAPublishAllocatesLess(t *testing.T) {
	_, c := provisioned(t, small)
	m := raw(t, 1)
	measure := func(store func() error) float64 {
		var err error
		n := testing.AllocsPerRun(200, func() { err = errors.Join(err, store()) })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	request := measure(func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		return c.denials.do(ctx, publishing(m.Subject), func(ctx context.Context) error {
			_, err := c.js.PublishMsg(ctx, m, jetstream.WithExpectStream(rawStream))
			return err
		})
	})
	ours := measure(func() error {
		_, err := c.storeWithin(t.Context(), m, time.Minute)
		return err
	})
	t.Logf("%.0f allocations, where a request takes %.0f", ours, request)
	if ours > request-10 { // 20 without the race detector, which empties pools at random
		t.Errorf("got %.0f allocations, want at least 10 less than the %.0f of a request", ours, request)
	}
}
