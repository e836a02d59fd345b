package broker

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// freezer stands between clients and NATS, and takes nothing more from the clients once it is frozen.
type freezer struct {
	url  string
	flow sync.RWMutex // locked while frozen
}

func freezable(t *testing.T, target string) *freezer {
	t.Helper()
	f := &freezer{}
	f.url = between(t, func(ctx context.Context, client net.Conn) { f.pass(ctx, client, strings.TrimPrefix(target, "nats://")) })
	return f
}

func (f *freezer) pass(ctx context.Context, client net.Conn, target string) {
	server, err := new(net.Dialer).DialContext(ctx, "tcp", target)
	if err != nil {
		client.Close()
		return
	}
	closeBoth := func() { client.Close(); server.Close() }
	defer context.AfterFunc(ctx, closeBoth)()
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(client, server); closeBoth() })
	wg.Go(func() { _, _ = io.Copy(f.gated(server), client); closeBoth() })
	wg.Wait()
}

func (f *freezer) gated(w io.Writer) io.Writer {
	return writer(func(p []byte) (int, error) {
		f.flow.RLock()
		defer f.flow.RUnlock()
		return w.Write(p)
	})
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// A connection that takes nothing more holds up who stores for little longer than they want to wait, and not at all who only looks at a
// message.
func TestAStalledConnectionHoldsUpNobody(t *testing.T) {
	const publishes, limit, atMost, atOnce = 2000, 2 * time.Second, 10 * time.Second, 500 * time.Millisecond
	s := serve(t, EmbeddedConfig{Listen: "127.0.0.1:0"})
	if err := dial(t, s, "provisioner").Provision(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	f := freezable(t, s.ClientURL())
	c, err := Connect(t.Context(), Config{URL: f.url, Name: "ingest", FailFast: true})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, c)
	eventually(t, "ingest is connected", c.nc.IsConnected)
	publish(t, c, event(key(1), 1))
	f.flow.Lock()
	defer f.flow.Unlock()

	m, data := raw(t, 2), make([]byte, 20<<10) // 40 MB of it, more than is buffered on the way
	began := time.Now()
	var storing sync.WaitGroup
	for range publishes {
		storing.Go(func() {
			own := nats.Msg{Subject: m.Subject, Header: ownHeaders(m.Header), Data: data}
			if _, err := c.storeWithin(t.Context(), &own, limit); err == nil {
				t.Error("storeWithin: got nil, want an error: nothing passes")
			}
		})
	}
	stored := make(chan struct{})
	go func() { storing.Wait(); close(stored) }()
	var longest time.Duration
	for over := false; !over; {
		at := time.Now()
		if err := c.checkSize(m, 0); err != nil {
			t.Fatal(err)
		}
		longest = max(longest, time.Since(at))
		select {
		case <-stored:
			over = true
		case <-time.After(time.Millisecond):
		}
	}
	if took := time.Since(began); took > atMost {
		t.Errorf("storeWithin: the last of %d took %s, want at most %s", publishes, took, atMost)
	}
	if longest > atOnce {
		t.Errorf("checkSize: got %s, want at most %s", longest, atOnce)
	}
}
