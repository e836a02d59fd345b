package chaos

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/internal/freeport"
)

// cluster is one or more NATS servers, each a process of its own that can be killed, stopped and started again on its store and ports.
type cluster struct {
	t       testing.TB
	servers []*natsServer
}

func startCluster(tb testing.TB, n int) *cluster {
	tb.Helper()
	peers := make([]string, n)
	for i := range peers {
		peers[i] = freeport.Address(tb)
	}
	transport := &http.Transport{}
	asks := &http.Client{Transport: transport, Timeout: 2 * time.Second}
	c := &cluster{t: tb}
	for i := range n {
		s := &natsServer{
			t: tb, name: fmt.Sprintf("n%d", i), clients: freeport.Address(tb), monitor: freeport.Address(tb), dir: tb.TempDir(), asks: asks,
		}
		s.configure(peers[i], peers)
		c.servers = append(c.servers, s)
	}
	tb.Cleanup(func() {
		c.killAll()
		transport.CloseIdleConnections()
		for _, s := range c.servers {
			s.showLog()
		}
	})
	c.startAll()
	return c
}

func (c *cluster) startAll() {
	c.t.Helper()
	for _, s := range c.servers {
		s.start()
	}
	must(c.t, "the cluster is healthy", c.healthy)
}

// killAll kills all at once. What they have written, if not to the disk, outlives them: it is no power cut.
func (c *cluster) killAll() {
	var all sync.WaitGroup
	for _, s := range c.servers {
		all.Go(s.kill)
	}
	all.Wait()
}

// healthy reports whether every server is there and has caught up in every stream and consumer.
func (c *cluster) healthy() bool {
	return !slices.ContainsFunc(c.servers, func(s *natsServer) bool { return !s.isHealthy() })
}

// address is where some running server takes clients; "" for none.
func (c *cluster) address() string {
	up := slices.DeleteFunc(slices.Clone(c.servers), func(s *natsServer) bool { return !s.isRunning() })
	if len(up) == 0 {
		return ""
	}
	return up[rand.IntN(len(up))].clients
}

// urls are those of every server.
func (c *cluster) urls() string {
	var all []string
	for _, s := range c.servers {
		all = append(all, "nats://"+s.clients)
	}
	return strings.Join(all, ",")
}

// leader waits until a server says that it leads what, and returns it.
func (c *cluster) leader(what led) *natsServer {
	c.t.Helper()
	i := -1
	must(c.t, "a server leads "+what.String(), func() bool {
		i = slices.IndexFunc(c.servers, func(s *natsServer) bool { return s.leads(what) })
		return i >= 0
	})
	return c.servers[i]
}
