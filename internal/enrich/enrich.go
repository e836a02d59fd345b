// Package enrich owns the pipeline from a raw event to an enriched one: lanes that
// keep order on a key, one fetch for all that wait, and the one policy for every answer of Twilio's API.
package enrich

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// Task is one event to be enriched; broker.Task is one.
//
// An error of Head, Publish or Bury with a method Done() bool that returns true says that the
// task is not ours any more: it is forgotten. One of Publish with TooLarge() bool
// says that the event can never be published as it is. After any other error Head is asked again.
type Task interface {
	Context() context.Context // the trace that the event arrived in; no deadline
	Event() events.Event      // the zero Event once Shed, until Head has said yes
	Shed()                    // lets go of the event; called before anything but Event, Sequence and Left
	Sequence() uint64         // orders the tasks of a key; a task that is delivered again has the same
	Head(ctx context.Context) (bool, error)
	Watch(moved func()) (stop func()) // tells when Head may say something else: early, late or never
	Publish(ctx context.Context, e events.Enriched) error
	Bury(ctx context.Context, d events.DeadLetter) error
	Left() (left, whole time.Duration) // of the lease: how long the task is ours without Extend, and how long after one
	Extend() error
	Release() error
}

// API is what the pipeline asks of Twilio; participants.Client is one. The requests that it makes must bear the call's context: they
// are counted by it (net/http/httptrace).
type API interface {
	ListConversation(ctx context.Context, cred participants.Credentials, conversation, service validation.SID) ([]participants.Participant, error)
	ListChannel(ctx context.Context, cred participants.Credentials, interaction, channel validation.SID) ([]participants.Participant, error)
	ListV2(ctx context.Context, cred participants.Credentials, conversation validation.V2ID) ([]participants.Participant, error)
	FetchV2(ctx context.Context, cred participants.Credentials, conversation, participant validation.V2ID) (participants.Participant, error)
}

// Accounts gives the credentials to call the API with. What it gives may change at any time.
type Accounts interface {
	API(account validation.SID) (participants.Credentials, bool)
}

// Pipeline enriches tasks: strictly in the order of their sequences on a key, in parallel
// across keys. Every task it takes ends as exactly one of published, buried, forgotten
// (done already, or held elsewhere), or released.
type Pipeline struct {
	cfg     Config
	api     API
	gate    *gate
	shelf   *shelf
	log     *slog.Logger
	metrics *metrics
	tracer  trace.Tracer

	// Two contexts outlive any one call of the Pipeline's methods: working ends when nothing new may
	// begin, finishing when what is under way must end too.
	working, finishing         context.Context //nolint:containedctx // lanes outlive the call that makes them
	stopWorking, stopFinishing context.CancelFunc

	mu       sync.Mutex
	stopping bool
	lanes    map[string]*lane
	waiting  int // tasks in all lanes
	extend   *time.Ticker
	every    time.Duration // the ticker's
	kept     int           // bytes of the events that were not shed
	running  sync.WaitGroup
}

// New checks cfg and returns a Pipeline. Every wrong field is reported, each by name.
func New(cfg Config, api API, accounts Accounts, log *slog.Logger, reg prometheus.Registerer) (*Pipeline, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	p := &Pipeline{
		cfg:    cfg,
		api:    api,
		gate:   newGate(cfg, accounts, log),
		shelf:  newShelf(cfg.MaxRosterAge),
		log:    log,
		tracer: otel.Tracer("github.com/rollcall-events/rollcall/internal/enrich"),
		lanes:  map[string]*lane{},
		extend: time.NewTicker(extendMost),
		every:  extendMost,
	}
	p.working, p.stopWorking = context.WithCancel(context.Background())
	p.finishing, p.stopFinishing = context.WithCancel(context.Background())
	var err error
	if p.metrics, err = newMetrics(p, reg); err != nil {
		return nil, err
	}
	return p, nil
}

// Handle takes a task; it does not block. The task is finished by Publish, Bury or Release.
// A task that is here already (the server delivered it twice) takes the place of the older one.
func (p *Pipeline) Handle(t Task) {
	if !p.enqueue(t) {
		_ = t.Release() // stopping; if this fails the lease lapses by itself
	}
}

// enqueue puts t in its lane, or reports false when the Pipeline is stopping.
func (p *Pipeline) enqueue(t Task) bool {
	event := t.Event()
	key, item := event.Key(), newItem(t, &event)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return false
	}
	p.keep(item, &event)
	p.keepUp(t)
	l := p.lanes[key]
	if l != nil {
		l.insert(item)
		return true
	}
	l = newLane(p, key)
	p.lanes[key] = l
	l.insert(item)
	p.running.Add(1)
	l.begin(item)
	return true
}

// keep lets the item's task keep its event where there is room for it; else the task gets it back when it is the head. p.mu is held.
func (p *Pipeline) keep(item *item, event *events.Event) {
	if size := sizeOf(event); p.kept+size <= p.cfg.KeptBytes {
		item.kept = size
		p.kept += size
		return
	}
	item.task.Shed()
}

// sizeOf is about what an event takes in memory.
func sizeOf(e *events.Event) int {
	const typed = 2 << 10
	return typed + len(e.Payload) + len(e.Envelope)
}

// drop notes that the item is held no more. p.mu is held.
func (p *Pipeline) drop(item *item) {
	p.waiting--
	p.kept -= item.kept
}

// Run works until ctx is done, then lets calls under way finish, at most for Config.StopTimeout,
// and releases what it still holds. It returns nil. It must be called once.
func (p *Pipeline) Run(ctx context.Context) error {
	recheck := time.NewTicker(credentialsEvery)
	defer recheck.Stop()
	defer p.extend.Stop()
	stop, drained := ctx.Done(), (chan struct{})(nil)
	for {
		select {
		case <-stop:
			stop, drained = nil, p.drain()
		case <-drained:
			return nil
		case <-p.extend.C:
			p.extendAll()
		case <-recheck.C:
			p.gate.tick()
		}
	}
}

// drain begins the end; what it returns is closed when every lane is gone.
func (p *Pipeline) drain() chan struct{} {
	p.mu.Lock()
	p.stopping = true
	p.mu.Unlock()
	p.stopWorking()
	p.gate.openDoors()
	timeout := time.AfterFunc(p.cfg.StopTimeout, p.stopFinishing)
	drained := make(chan struct{})
	go func() {
		p.running.Wait()
		timeout.Stop()
		p.stopFinishing()
		close(drained)
	}()
	return drained
}

// How often the tasks are searched for those to be extended: looksPerLease times within the shortest lease, and at least every extendMost.
const (
	looksPerLease = 6
	extendMost    = 5 * time.Second
)

// keepUp makes the ticker fast enough to extend t in time. p.mu is held.
func (p *Pipeline) keepUp(t Task) {
	if _, whole := t.Left(); whole/looksPerLease < p.every {
		p.every = max(whole/looksPerLease, time.Millisecond)
		p.extend.Reset(p.every)
	}
}

// extendAll extends the tasks that will soon lapse, and no others: while a backlog drains, most are done before that. A task that
// cannot be extended is delivered again.
func (p *Pipeline) extendAll() {
	for _, t := range p.lapsing() {
		if err := t.Extend(); err != nil {
			p.metrics.extendFailures.Inc()
		}
	}
}

// lapsing returns the tasks that have less than half of their lease left.
func (p *Pipeline) lapsing() (tasks []Task) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lanes {
		for _, item := range l.items {
			if left, whole := item.task.Left(); left < whole/2 {
				tasks = append(tasks, item.task)
			}
		}
	}
	return tasks
}

// Ready returns nil, or names the accounts whose credentials are missing or refused by Twilio.
func (p *Pipeline) Ready(context.Context) error { return p.gate.holds.ready() }

// isDone reports whether err says that the task is not ours any more: done, or held elsewhere.
func isDone(err error) bool {
	e, ok := errors.AsType[interface {
		error
		Done() bool
	}](err)
	return ok && e.Done()
}

// isTooLarge reports whether err says that the message exceeds what the server takes.
func isTooLarge(err error) bool {
	e, ok := errors.AsType[interface {
		error
		TooLarge() bool
	}](err)
	return ok && e.TooLarge()
}
