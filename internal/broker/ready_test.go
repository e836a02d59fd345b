package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/freeport"
)

// What Ready publishes to learn whether it may is refused by every kind of stream.
func TestReadyStoresNothing(t *testing.T) {
	onServers(t, small, func(t *testing.T, s *Embedded, c *Conn) {
		t.Helper()
		for _, role := range []Role{RoleIngest, RoleEnricher} {
			one, err := s.Connect(t.Context(), Config{Name: string(role), Role: role, FailFast: true})
			if err != nil {
				t.Fatal(err)
			}
			closeAtEnd(t, one)
			eventually(t, "ready", func() bool { return one.Ready(t.Context()) == nil })
		}
		for _, name := range []string{rawStream, queueStream, enrichedStream, deadStream} {
			stream, err := c.js.Stream(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if got := stream.CachedInfo().State; got.Msgs != 0 || got.LastSeq != 0 {
				t.Errorf("%s: got %d messages, the last at %d, want none ever", name, got.Msgs, got.LastSeq)
			}
		}
	})
}

// A server that has as much as it may have refuses every message.
func TestReadySaysThatNATSHasNoRoom(t *testing.T) {
	s, err := startEmbedded(t.Context(), &server.Options{
		DontListen: true, JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 20, MaxPayload: maxPayload, NoSigs: true, NoLog: true,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	c, err := s.Connect(t.Context(), Config{Name: "ingest", Role: RoleIngest, FailFast: true})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, c)
	if err := c.Provision(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("Ready with room: got %v, want nil", err)
	}
	large := letter(event(key(1), 1)) // goes to DEAD alone
	large.Event.Payload = []byte(`{"Body":"` + strings.Repeat("x", 2<<20) + `"}`)
	if err := c.PublishDead(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PublishRaw(t.Context(), event(key(1), 1)); apiCode(err) != errCodeInsufficientResources {
		t.Fatalf("PublishRaw without room: got %v, want error %d", err, errCodeInsufficientResources)
	}
	for _, stage := range []events.Stage{events.StageRaw, events.StageDead} {
		if err := c.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "no room for rollcall."+string(stage)) {
			t.Errorf("Ready without room: got %v, want an error that says so of %s", err, stage)
		}
	}
	if err := c.js.DeleteStream(t.Context(), deadStream); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Provision(t.Context(), small), c.Ready(t.Context())); err != nil {
		t.Errorf("Ready with room again: got %v, want nil", err)
	}
}

// A server whose disk was full answers the probe and no publish.
func TestReadySaysThatNATSStoresNothing(t *testing.T) {
	s, _ := provisioned(t, small)
	c, err := s.Connect(t.Context(), Config{Name: "ingest", Role: RoleIngest, FailFast: true})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, c)
	now := time.Now()
	c.now = func() time.Time { return now }
	over, cancel := context.WithCancel(t.Context())
	cancel()
	fail := func(times int) {
		for range times {
			if _, err := c.PublishRaw(over, event(key(1), 1)); outcomeOf(nil, err) != outcomeTimeout {
				t.Fatalf("PublishRaw: got %v, want it to end as one that is not answered", err)
			}
		}
	}
	for _, step := range []struct {
		name string
		do   func()
		red  bool
	}{
		{"two unanswered", func() { fail(2) }, false},
		{"three in a row", func() { fail(1) }, true},
		{"another stage stored", func() { _ = c.PublishDead(t.Context(), letter(event(key(1), 1))) }, true},
		{"one stored", func() { publish(t, c, event(key(1), 1)) }, false},
		{"one unanswered, after what was stored", func() { fail(1) }, false},
		{"three again", func() { fail(2) }, true},
		{"a duplicate", func() { publish(t, c, event(key(1), 1)) }, false},
		{"and again", func() { fail(3) }, true},
		{"none for a while", func() { now = now.Add(unstoredStays) }, false},
	} {
		step.do()
		if err := c.Ready(t.Context()); (err != nil) != step.red || step.red && !strings.Contains(err.Error(), "on rollcall.raw.> (timeout)") {
			t.Errorf("%s: got %v, want red %v", step.name, err, step.red)
		}
	}
}

func TestUnconnectedSaysWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nats.ErrNoServers, "no answer from nats.test: start the server, or correct NATS_URL"},
		{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, "dial: connection refused from nats.test: start the server, or correct NATS_URL"},
		{nats.ErrAuthorization, "nats: authorization violation at nats.test: correct the user or the password"},
		{nats.ErrSecureConnWanted, "nats: secure connection not available (nats.test): correct NATS_URL, or the file to log in with"},
	} {
		if got := Unconnected("nats://nats.test", tt.err).Error(); !strings.EqualFold(got, tt.want) {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestProvisionSaysThatThereIsNoJetStream(t *testing.T) {
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(readyTimeout) {
		t.Fatal("NATS did not become ready")
	}
	c, err := (&Embedded{server: s}).Connect(t.Context(), Config{Name: "provisioner", Role: RoleProvisioner})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, c)
	if err := c.Provision(t.Context(), small); err == nil || !strings.Contains(err.Error(), "start the server with it") {
		t.Errorf("Provision without JetStream: got %v, want an error that says what to do", err)
	}
}

// Who reads it learns where there is no server, and not who would log in.
func TestReadySaysWhereNATSIsNotConnected(t *testing.T) {
	first, second := freeport.Address(t), freeport.Address(t)
	for _, urls := range []string{"nats://someone:s3cret@" + first + ", tls://t0ken@" + second, "someone:s3cret@" + first + "," + second} {
		c, err := Connect(t.Context(), Config{URL: urls, Name: "x", Role: RoleIngest, FailFast: true})
		if err != nil {
			t.Fatal(err)
		}
		closeAtEnd(t, c)
		err = c.Ready(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), "NATS is not connected (RECONNECTING): ") ||
			!strings.HasSuffix(err.Error(), " from "+first+", "+second+": start the server, or correct NATS_URL") {
			t.Errorf("Ready: got %v, want an error that says where, and what to do", err)
		}
		if text := fmt.Sprint(err); strings.Contains(text, "someone") || strings.Contains(text, "s3cret") || strings.Contains(text, "t0ken") {
			t.Errorf("Ready: got %q, want nothing of a login in it", text)
		}
	}
}
