package chaos

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/rollcall-events/rollcall/internal/freeport"
)

// cluster is one or more NATS servers that can be stopped and started again, each on its own store and ports.
type cluster struct {
	t    testing.TB
	opts []*server.Options

	mu      sync.Mutex
	servers []*server.Server // nil while stopped
}

func startCluster(tb testing.TB, n int) *cluster {
	tb.Helper()
	peers := make([]int, n)
	var routes []string
	for i := range peers {
		peers[i] = freeport.New(tb)
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", peers[i]))
	}
	c := &cluster{t: tb, servers: make([]*server.Server, n)}
	for i := range n {
		o := &server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: freeport.New(tb),
			JetStream: true, StoreDir: tb.TempDir(), MaxPayload: 8 << 20, NoSigs: true, NoLog: true,
		}
		if n > 1 {
			// Clients must not learn of ways around the links that they are cut off by.
			o.Cluster = server.ClusterOpts{Name: "chaos", Host: "127.0.0.1", Port: peers[i], NoAdvertise: true}
			o.Routes = server.RoutesFromStr(strings.Join(routes, ","))
		}
		c.opts = append(c.opts, o)
	}
	tb.Cleanup(c.stopAll)
	c.startAll()
	return c
}

func (c *cluster) startAll() {
	c.t.Helper()
	for i := range c.opts {
		c.start(i)
	}
	must(c.t, "the cluster is healthy", c.healthy)
}

func (c *cluster) start(i int) {
	c.t.Helper()
	s, err := server.NewServer(c.opts[i].Clone())
	if err != nil {
		c.t.Error(err)
		return
	}
	s.Start()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.servers[i] = s
}

func (c *cluster) stop(i int) {
	c.mu.Lock()
	s := c.servers[i]
	c.servers[i] = nil
	c.mu.Unlock()
	if s != nil {
		s.Shutdown()
		s.WaitForShutdown()
	}
}

// stopAll stops all at once, as a power cut does.
func (c *cluster) stopAll() {
	var all sync.WaitGroup
	for i := range c.opts {
		all.Go(func() { c.stop(i) })
	}
	all.Wait()
}

func (c *cluster) running() []*server.Server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.servers), func(s *server.Server) bool { return s == nil })
}

// healthy reports whether every server is there and has caught up in every stream and consumer.
func (c *cluster) healthy() bool {
	up := c.running()
	return len(up) == len(c.opts) && !slices.ContainsFunc(up, func(s *server.Server) bool { return s.Healthz(nil).StatusCode != http.StatusOK })
}

// address is where some running server takes clients; "" for none.
func (c *cluster) address() string {
	up := c.running()
	if len(up) == 0 {
		return ""
	}
	return up[rand.IntN(len(up))].Addr().String()
}

const account = "$G"

// leader returns the server that is one by lead, or the first.
func (c *cluster) leader(lead func(*server.Server) bool) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, slices.IndexFunc(c.servers, func(s *server.Server) bool { return s != nil && lead(s) }))
}
