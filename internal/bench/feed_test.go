package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A server that takes its time, as one that syncs every message to disk, is waited for, and not given up.
func TestFeedWaitsForASlowServer(t *testing.T) {
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	connect := func() *nats.Conn {
		nc, err := nats.Connect("", nats.InProcessServer(s))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	const slow = 300 * time.Millisecond // longer than a client waits of its own accord
	stream := connect()
	first := true
	if _, err := stream.Subscribe("rollcall.raw.>", func(m *nats.Msg) {
		answer := func() { _ = m.Respond([]byte(`{"stream":"RAW","seq":1}`)) } // without it the test fails
		if !first {
			answer()
			return
		}
		first = false
		time.AfterFunc(slow, answer)
	}); err != nil {
		t.Fatal(err)
	}
	if err := stream.Flush(); err != nil {
		t.Fatal(err)
	}
	r := &rig{nc: connect()}
	if r.js, err = jetstream.New(r.nc, jetstream.WithPublishAsyncMaxPending(1)); err != nil {
		t.Fatal(err)
	}
	var acks []jetstream.PubAckFuture
	for n := range 2 {
		ack, err := r.publish(&nats.Msg{Subject: fmt.Sprintf("rollcall.raw.%d", n)})
		if err != nil {
			t.Fatalf("message %d: %v", n, err)
		}
		acks = append(acks, ack)
	}
	if err := acknowledged(acks); err != nil {
		t.Error(err)
	}
}
