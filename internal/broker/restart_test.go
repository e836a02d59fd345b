package broker

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
)

var restartWith = flag.Int("raw", 1000, "how many events of 1 KB RAW holds when TestQueueFollowsRawAfterARestart starts its server again")

// A server that starts asks RAW for what QUEUE lacks. It does so before RAW is there where that takes longer than some 0.2 s, and
// then asks again much later: the test shows how long that takes.
func TestQueueFollowsRawAfterARestart(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, EmbeddedConfig{Dir: dir})
	before := dial(t, s, "before")
	if err := before.Provision(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	store(t, before, *restartWith)
	eventually(t, "QUEUE has all of RAW", func() bool { return messages(t, before, queueStream) == uint64(*restartWith) })
	queue, err := before.js.Stream(t.Context(), queueStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := queue.Purge(t.Context()); err != nil { // stands for enrichers that have done it all
		t.Fatal(err)
	}
	s.Shutdown()

	began := time.Now()
	after := dial(t, serve(t, EmbeddedConfig{Dir: dir}), "after")
	publish(t, after, event(key(1), 1))
	stored := time.Since(began)
	eventually(t, "QUEUE has what came after the restart", func() bool { return messages(t, after, queueStream) > 0 })
	t.Logf("RAW held %d events: it took a new one after %.1f s, QUEUE after %.1f s", *restartWith, stored.Seconds(), time.Since(began).Seconds())
	if got := messages(t, after, queueStream); got != 1 {
		t.Errorf("got %d messages in QUEUE, want the new one alone", got)
	}
}

// store fills RAW with n messages of 1 KB.
func store(t *testing.T, c *Conn, n int) {
	t.Helper()
	js, err := jetstream.New(c.nc, jetstream.WithPublishAsyncMaxPending(1000))
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		m := nats.NewMsg(event(key(i%5000), 1).Subject(events.StageRaw))
		m.Data = make([]byte, 1<<10)
		m.Header.Set(nats.MsgIdHdr, fmt.Sprint(i))
		if _, err := js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-t.Context().Done():
	}
}
