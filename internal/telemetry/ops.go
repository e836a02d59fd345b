package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	headerTimeout  = 5 * time.Second
	writeTimeout   = 15 * time.Second // a slow scrape; more than checkTimeout
	idleTimeout    = time.Minute
	stopTimeout    = 3 * time.Second
	maxHeaderBytes = 16 << 10
)

// Ops serves the operator's listener:
//
//	GET /livez    200 while the process serves
//	GET /readyz   200 when every check passes, else 503; one line for each check, its name and "ok" or why not
//	GET /metrics  the registry, for Prometheus
type Ops struct {
	log     *slog.Logger
	handler http.Handler
	ready   readiness
}

// NewOps returns an Ops over the given registry and readiness checks.
func NewOps(log *slog.Logger, reg *prometheus.Registry, checks ...Check) *Ops {
	o := &Ops{log: log, ready: readiness{log: log, checks: checks}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", live)
	mux.Handle("GET /readyz", &o.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		Registry: reg,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError),
	}))
	o.handler = mux
	return o
}

func live(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

// Run serves on l until ctx is done, and meanwhile logs every change of readiness, whether somebody asks for it or not. Then it makes readiness
// red, lets the requests under way finish for at most three seconds, and returns nil. An error means that it could not serve. It closes l.
func (o *Ops) Run(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           o.handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(o.log.Handler(), slog.LevelWarn),
	}
	watching, stopWatching := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { o.ready.watch(watching) })
	defer watch.Wait()
	defer stopWatching()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve the ops listener: %w", err)
	case <-ctx.Done():
	}
	o.Stopping()
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := server.Shutdown(stopCtx); err != nil {
		err = errors.Join(err, server.Close())
		o.log.WarnContext(ctx, "ops listener cut off requests", slog.Any("error", err))
	}
	<-served
	return nil
}

// Stopping makes readiness red for good, and ends the checks: the process is about to stop taking work.
func (o *Ops) Stopping() { o.ready.stopping.Store(true) }
