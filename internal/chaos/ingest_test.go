package chaos

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/freeport"
	"github.com/rollcall-events/rollcall/internal/ingest"
)

// ingestProcess is what cmd/ingest runs, on a link and an outbox of its own; those and its address outlive it.
type ingestProcess struct {
	r       *rig
	t       *testing.T
	link    *link
	dir     string
	address string // host:port

	server  *http.Server
	figures *prometheus.Registry
	end     func() // stops all but the server, and waits
}

func (r *rig) newIngest(t *testing.T) *ingestProcess {
	t.Helper()
	return r.newIngestOn(t, newLink(t, r.cluster.address))
}

func (r *rig) newIngestOn(t *testing.T, link *link) *ingestProcess {
	t.Helper()
	l, err := net.Listen("tcp", freeport.Address(t))
	if err != nil {
		t.Fatal(err)
	}
	p := &ingestProcess{r: r, t: t, link: link, dir: t.TempDir(), address: l.Addr().String()}
	p.start(l, nil)
	t.Cleanup(p.kill)
	return p
}

func (p *ingestProcess) url() string { return "http://" + p.address }

// start serves on l. It stores through an outbox, unless another store is given.
func (p *ingestProcess) start(l net.Listener, other func(*broker.Conn) ingest.Store) {
	p.t.Helper()
	p.figures = prometheus.NewRegistry()
	conn, err := broker.Connect(context.Background(), broker.Config{
		URL: p.link.url(), Name: "ingest", Role: broker.RoleIngest, FailFast: true, Log: logger(), Registerer: p.figures,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	outbox, err := broker.OpenOutbox(context.Background(), conn, broker.OutboxConfig{Dir: p.dir})
	if err != nil {
		p.t.Fatal(err)
	}
	var store ingest.Store = outbox
	if other != nil {
		store = other(conn)
	}
	service, err := ingest.New(ingest.Config{PublicURLs: []string{p.url()}}, store, p.r.book, logger(), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.server = &http.Server{Handler: service.Handler(), ReadHeaderTimeout: 5 * time.Second}
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { _ = outbox.Run(ctx) })
	parts.Go(func() { _ = p.server.Serve(l) })
	p.end = sync.OnceFunc(func() {
		cancel()
		parts.Wait()
		outbox.Close()
		closing, done := context.WithTimeout(context.Background(), time.Second)
		defer done()
		_ = conn.Close(closing)
	})
}

// kill ends it without an answer to the webhooks under way.
func (p *ingestProcess) kill() {
	p.link.cut()
	_ = p.server.Close()
	p.end()
	p.link.mend()
}

// stop ends it as SIGTERM does.
func (p *ingestProcess) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = p.server.Shutdown(ctx)
	p.end()
}

// restart starts it again where it was.
func (p *ingestProcess) restart() {
	p.t.Helper()
	var l net.Listener
	must(p.t, "the ingest's port is free", func() (ok bool) {
		var err error
		l, err = net.Listen("tcp", p.address)
		return err == nil
	})
	p.start(l, nil)
}
