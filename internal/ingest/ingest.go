// Package ingest owns the webhook target: its routes, whom it trusts, and what it
// answers. It stores through a Store and knows nothing of streams.
package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/validation"
)

// Store keeps what was received. After nil it is not lost. Neither method may keep its argument's
// memory after it has returned. An error of Put with TooLarge() bool that returns true says that e never fits; Bury stores a
// letter that does not fit in a shorter form.
type Store interface {
	Put(ctx context.Context, e events.Event) error
	Bury(ctx context.Context, d events.DeadLetter) error
}

// Keyring says which keys may have signed a webhook; keys[i] belongs to accounts[i]. It is asked for each
// webhook, so that a key that is rotated counts at once.
type Keyring interface {
	Signers() (keys []validation.Secret, accounts []validation.SID)
}

// Service is the webhook target. It is safe for concurrent use, and several may live in one process.
type Service struct {
	cfg      Config
	store    Store
	keys     Keyring
	verifier *validation.Verifier
	log      *slog.Logger
	metrics  *metrics
	quiet    quiet
	tracer   trace.Tracer
	spans    map[string]spanStart // by a route's path
	verdicts map[outcome]verdict
	handler  http.Handler
	large    chan struct{}   // one for each body over smallBody in memory
	reading  chan struct{}   // one for each body that is being read, see turn
	harmless map[string]bool // types whose answer decides on nothing
	now      func() time.Time
	parse    func(events.Delivery) ([]events.Event, []events.DeadLetter) // events.Parse
}

// New checks cfg and returns a Service. Its error names everything that is wrong with cfg. reg may be nil.
func New(cfg Config, store Store, keys Keyring, log *slog.Logger, reg prometheus.Registerer) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	verifier, err := validation.NewVerifier(cfg.PublicURLs)
	if err != nil {
		return nil, fmt.Errorf("read the public URLs: %w", err)
	}
	metrics, err := newMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	s := &Service{
		cfg: cfg, store: store, keys: keys, verifier: verifier, log: log, metrics: metrics,
		tracer:   otel.Tracer("github.com/rollcall-events/rollcall/internal/ingest"),
		spans:    spanStarts(),
		verdicts: verdicts(),
		large:    make(chan struct{}, maxLargeBodies),
		reading:  make(chan struct{}, max(4, runtime.GOMAXPROCS(0))),
		harmless: harmlessTypes(),
		now:      time.Now,
		parse:    events.Parse,
	}
	s.handler = s.router()
	return s, nil
}

// Handler returns the routes, for a server of the caller's own. Config.BodyTimeout holds
// only when that server's ResponseWriter can set a read deadline.
func (s *Service) Handler() http.Handler { return s.handler }
