package chaos

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/internal/broker"
)

// A test binary that dies leaves no server behind: the system closes what the server reads.
func TestAServerEndsWithItsTest(t *testing.T) {
	s := startCluster(t, 1).servers[0]
	s.mu.Lock()
	p := s.running
	p.told = true
	s.mu.Unlock()
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if !eventually(10*time.Second, func() bool { return isClosed(p.ended) }) {
		t.Error("the server still runs, though what it reads has ended")
	}
}

// What a server has acknowledged outlives its process, however that ends, with the default sync.
func TestAServerComesBackWithItsStore(t *testing.T) {
	r := newRig(t, 1, broker.Topology{Partitions: 1})
	s := r.cluster.servers[0]
	want := 0
	for _, end := range []func(){s.stop, s.kill} {
		for range 100 {
			want++
			if _, err := r.js.Publish(t.Context(), "rollcall.raw.a.b.c.d", nil, jetstream.WithMsgID(fmt.Sprint(want))); err != nil {
				t.Fatal(err)
			}
		}
		end()
		if s.isRunning() || s.isHealthy() {
			t.Error("the server runs after its end")
		}
		s.start()
		must(t, "it is healthy again", s.isHealthy)
		must(t, "it answers", func() bool { return r.messages("ROLLCALL_RAW") >= 0 })
		if got := r.messages("ROLLCALL_RAW"); got != want {
			t.Errorf("got %d messages, want the %d that were acknowledged", got, want)
		}
	}
}
