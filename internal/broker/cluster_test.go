package broker

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/rollcall-events/rollcall/internal/freeport"
)

// cluster starts three servers that replicate to one another, and returns one of them.
func cluster(t *testing.T) *Embedded {
	t.Helper()
	ports := make([]int, 3)
	var routes []string
	for i := range ports {
		ports[i] = freeport.New(t)
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", ports[i]))
	}
	all := make([]*Embedded, len(ports))
	for i, port := range ports {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), MaxPayload: maxPayload, NoSigs: true, NoLog: true,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port},
			Routes:  server.RoutesFromStr(strings.Join(routes, ",")),
		})
		if err != nil {
			t.Fatal(err)
		}
		all[i] = &Embedded{server: s}
		go s.Start()
		t.Cleanup(all[i].Shutdown)
	}
	eventually(t, "the cluster has a leader", func() bool {
		return slices.ContainsFunc(all, func(e *Embedded) bool {
			return e.server.JetStreamIsLeader() && len(e.server.JetStreamClusterPeers()) == len(all)
		})
	})
	return all[0]
}
