package chaos

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/enrich"
	"github.com/rollcall-events/rollcall/participants"
)

// enricher is what cmd/enricher runs, on a link of its own.
type enricher struct {
	link    *link
	conn    *broker.Conn
	gate    *gate
	figures *prometheus.Registry
	end     func() // stops, and waits
}

// auditAfter is short, so that an audit that takes what is late for lost is found out.
const auditAfter = 2 * time.Second

// seam lets a test stand between the broker's tasks and the pipeline.
type seam func(enrich.Task) enrich.Task

func (r *rig) startEnricher(tb testing.TB, link *link, between seam) *enricher {
	tb.Helper()
	figures := prometheus.NewRegistry()
	conn, err := broker.Connect(context.WithoutCancel(tb.Context()), broker.Config{
		URL: link.url(), Name: "enricher", Role: broker.RoleEnricher, Log: logger(), Registerer: figures,
	})
	if err != nil {
		tb.Fatal(err)
	}
	api, err := participants.New(participants.Config{ConversationsURL: r.twilioURL, FlexURL: r.twilioURL})
	if err != nil {
		tb.Fatal(err)
	}
	pipeline, err := enrich.New(enrich.Config{CallTimeout: 2 * time.Second, StopTimeout: time.Second}, api, r.book, logger(), figures)
	if err != nil {
		tb.Fatal(err)
	}
	e := &enricher{link: link, conn: conn, gate: newGate(), figures: figures}
	if between == nil {
		between = e.gate.hold
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	piping, stopPiping := context.WithCancel(context.WithoutCancel(tb.Context()))
	var work, pipe sync.WaitGroup
	work.Go(func() { _ = conn.Work(ctx, func(task *broker.Task) { pipeline.Handle(between(task)) }) })
	if r.audited {
		work.Go(func() { conn.Audit(ctx, auditAfter) })
	}
	pipe.Go(func() { _ = pipeline.Run(piping) })
	e.end = sync.OnceFunc(func() {
		e.gate.open()
		cancel()
		work.Wait()
		stopPiping()
		pipe.Wait()
		closing, done := context.WithTimeout(context.WithoutCancel(tb.Context()), time.Second)
		defer done()
		_ = conn.Close(closing)
	})
	tb.Cleanup(e.end)
	return e
}

// kill ends it so that nothing more leaves it: no acknowledgement, no publish, nothing given back.
func (e *enricher) kill() {
	e.link.cut()
	e.end()
	e.link.mend()
}

// gate holds tasks for as long as it is shut: their process is frozen, but for its connection.
type gate struct {
	mu   sync.Mutex
	shut chan struct{} // closed when it opens; nil while open
}

func newGate() *gate { return &gate{} }

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		g.shut = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

func (g *gate) wait() {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut != nil {
		<-shut
	}
}

func (g *gate) hold(t enrich.Task) enrich.Task { return held{t, g} }
