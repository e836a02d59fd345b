package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// checkTimeout bounds all checks of one answer, which run at the same time.
const checkTimeout = 2 * time.Second

// watchEvery is how often readiness is looked at when nobody asks, so that the log tells of it all the same.
const watchEvery = 5 * time.Second

// Check is one condition of readiness. Ready returns nil, or why not, in words for an
// operator; it should return when its context is done, and is not waited for beyond that.
type Check struct {
	Name  string
	Ready func(context.Context) error
}

var (
	errStopping = errors.New("the process is stopping")
	errNoAnswer = fmt.Errorf("no answer within %s", checkTimeout)
)

// readiness answers /readyz, and logs when the answer changes.
type readiness struct {
	log      *slog.Logger
	checks   []Check
	stopping atomic.Bool

	mu  sync.Mutex
	red string // the names of what was not ready when last asked
}

func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	outcomes, failures := r.look(req.Context())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if len(failures) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	for _, o := range outcomes {
		fmt.Fprintln(w, o)
	}
}

// watch looks at readiness until ctx is done.
func (r *readiness) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// look asks every check, and notes what failed. A process that stops takes down itself what the checks look at: they are not asked then,
// and nothing is noted, since the process says in the log that it stops.
func (r *readiness) look(ctx context.Context) (outcomes, failures []outcome) {
	if !r.stopping.Load() {
		outcomes = r.outcomes(ctx)
	}
	if r.stopping.Load() { // perhaps only since the checks were asked
		stopped := []outcome{{"process", errStopping}}
		return stopped, stopped
	}
	failures = slices.DeleteFunc(slices.Clone(outcomes), outcome.ok)
	if ctx.Err() == nil { // else nobody waits any more, and the checks may have failed for that alone
		r.note(ctx, failures)
	}
	return outcomes, failures
}

type outcome struct {
	name string
	err  error
}

func (o outcome) ok() bool { return o.err == nil }

// String is one line, whatever the error.
func (o outcome) String() string {
	if o.ok() {
		return o.name + ": ok"
	}
	return o.name + ": " + strings.ReplaceAll(o.err.Error(), "\n", "; ")
}

// outcomes asks every check, in the order in which they were given.
func (r *readiness) outcomes(ctx context.Context) []outcome {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	answers := make([]chan error, len(r.checks))
	for i, check := range r.checks {
		answers[i] = make(chan error, 1) // a late answer must not block: nobody may be there to take it
		go func() { answers[i] <- check.Ready(ctx) }()
	}
	var all []outcome
	for i, check := range r.checks {
		all = append(all, outcome{check.Name, await(ctx, answers[i])})
	}
	return all
}

func await(ctx context.Context, answer <-chan error) error {
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-answer: // what is there counts, however late it is read
		return err
	default:
		return errNoAnswer
	}
}

// note logs a change of what is not ready, once.
func (r *readiness) note(ctx context.Context, failures []outcome) {
	names, reasons := make([]string, len(failures)), make([]string, len(failures))
	for i, failure := range failures {
		names[i], reasons[i] = failure.name, failure.String()
	}
	red := strings.Join(names, " ")
	r.mu.Lock()
	defer r.mu.Unlock()
	switch red {
	case r.red:
	case "":
		r.log.InfoContext(ctx, "ready")
	default:
		r.log.WarnContext(ctx, "not ready", slog.String("reasons", strings.Join(reasons, "; ")))
	}
	r.red = red
}
