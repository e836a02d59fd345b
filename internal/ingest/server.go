package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

const (
	headerTimeout = 5 * time.Second
	// idleTimeout is longer than the 60 s of common load balancers: of two sides with one timeout, this one could
	// close the connection in the moment in which the other sends a webhook on it, which then fails.
	idleTimeout = 75 * time.Second
	// maxHeaderBytes leaves room for a GET whose query holds a message and its attributes. How much memory it
	// stands for is said where smallBody is.
	maxHeaderBytes = 32 << 10
)

// Run serves on l, which it closes, until ctx is done, then lets the requests under way finish, within
// Config.StopTimeout. It returns nil when they did. It may be called once.
func (s *Service) Run(ctx context.Context, l net.Listener) error {
	server := s.server()
	served := make(chan error, 1)
	go func() { served <- server.Serve(netutil.LimitListener(l, s.cfg.MaxConnections)) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve webhooks: %w", err)
	case <-ctx.Done():
	}
	err := s.stop(context.WithoutCancel(ctx), server)
	<-served
	return err
}

func (s *Service) server() *http.Server {
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout,
		// It holds until serve sets a deadline, and for what net/http answers by itself, since it reads some of the body then
		// too: an Expect that it does not know and, but for the next line, "OPTIONS *".
		ReadTimeout:                  headerTimeout + s.cfg.BodyTimeout,
		DisableGeneralOptionsHandler: true,

		WriteTimeout:   s.cfg.BodyTimeout + s.cfg.StoreTimeout + headerTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

func (s *Service) stop(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StopTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("finish the webhooks under way: %w", err), server.Close())
	}
	return nil
}
