package enrich

import (
	"errors"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-events/rollcall/events"
)

// outcome is how a task ended: a roster status, the reason of a dead letter, or outcomeForgotten. A closed list.
type outcome string

// outcomeForgotten is a task that is not ours any more: its event is done, or another process may have it.
const outcomeForgotten outcome = "forgotten"

// outcomes returns all of them. Reasons that only ingest gives are among them, and stay at zero.
func outcomes() []outcome {
	all := []outcome{outcome(events.RosterResolved), outcome(events.RosterGone), outcome(events.RosterNotNeeded), outcomeForgotten}
	for _, r := range events.Reasons() {
		all = append(all, outcome(r))
	}
	return all
}

// operation is what NATS is asked to store: a closed list.
type operation string

const (
	opPublish operation = "publish"
	opBury    operation = "bury"
)

func operations() []operation { return []operation{opPublish, opBury} }

// apis returns the APIs that events belong to.
func apis() (all []events.API) {
	for _, k := range events.Kinds() {
		if !slices.Contains(all, k.API) {
			all = append(all, k.API)
		}
	}
	return all
}

// lookups returns those that take a call to Twilio.
func lookups() (all []events.Lookup) {
	for _, k := range events.Kinds() {
		if k.Lookup != events.LookupNone && !slices.Contains(all, k.Lookup) {
			all = append(all, k.Lookup)
		}
	}
	return all
}

// metrics are the pipeline's figures. Every label is from a closed list.
type metrics struct {
	events         *prometheus.CounterVec
	calls          *prometheus.CounterVec
	callSeconds    *prometheus.HistogramVec
	latency        prometheus.Histogram
	coalesced      prometheus.Counter
	reused         prometheus.Counter
	storeFailures  *prometheus.CounterVec
	extendFailures prometheus.Counter
	requests       *prometheus.CounterVec
	panics         *prometheus.CounterVec
}

// newMetrics registers the figures of p, every series at zero, with reg, which may be nil.
func newMetrics(p *Pipeline, reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_enrich_events_total",
			Help: "Events finished, by how: a roster status, a dead letter's reason, or forgotten because it was done before or is held elsewhere.",
		}, []string{"outcome", "api"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_enrich_calls_total",
			Help: "Calls to Twilio, by lookup and what the policy made of the outcome.",
		}, []string{"lookup", "verdict"}),
		callSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "rollcall_enrich_call_duration_seconds",
			Help:    "How long a call to Twilio took, all its pages.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30, 60, 120},
		}, []string{"lookup"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "rollcall_enrich_latency_seconds",
			Help:    "From the webhook's arrival to the enriched event's publication.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 60, 300, 900, 3600},
		}),
		coalesced: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_enrich_coalesced_events_total",
			Help: "Answers that an event shared with the one that a call was made for.",
		}),
		reused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_enrich_reused_answers_total",
			Help: "Answers given to an event whose call began before the event came, as the greatest age of a roster allows.",
		}),
		storeFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_enrich_store_failures_total",
			Help: "Publications and burials that NATS did not acknowledge. Each is tried again.",
		}, []string{"operation"}),
		extendFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_enrich_extend_failures_total",
			Help: "Held tasks that could not be extended. They are delivered again.",
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_enrich_requests_total",
			Help: "Requests sent to Twilio, by lookup: each page of a list is one.",
		}, []string{"lookup"}),
		panics: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_enrich_panics_total",
			Help: "Panics caught, by where: in a call to Twilio (call), or in anything else that is done for an event (turn). Each is a defect: the log has its stack.",
		}, []string{"where"}),
	}
	m.zero()
	return m, register(reg, append([]prometheus.Collector{
		m.events, m.calls, m.callSeconds, m.latency, m.coalesced, m.reused, m.storeFailures, m.extendFailures,
		m.requests, m.panics,
	}, p.gauges()...))
}

// zero begins every series: Prometheus' increase() does not see the first count of one that begins with it, and an alert
// on it would stay silent.
func (m *metrics) zero() {
	for _, api := range apis() {
		for _, o := range outcomes() {
			m.events.WithLabelValues(string(o), string(api))
		}
	}
	for _, lookup := range lookups() {
		m.callSeconds.WithLabelValues(string(lookup))
		m.requests.WithLabelValues(string(lookup))
		for v := range rules {
			m.calls.WithLabelValues(string(lookup), string(v))
		}
	}
	for _, o := range operations() {
		m.storeFailures.WithLabelValues(string(o))
	}
	for _, where := range sites() {
		m.panics.WithLabelValues(string(where))
	}
}

func register(reg prometheus.Registerer, all []prometheus.Collector) error {
	if reg == nil {
		return nil
	}
	var problems []error
	for _, c := range all {
		if err := reg.Register(c); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// gauges are what can be read off p at any time.
func (p *Pipeline) gauges() []prometheus.Collector {
	gauge := func(name, help string, labels prometheus.Labels, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, value)
	}
	all := []prometheus.Collector{
		gauge("rollcall_enrich_lanes", "Keys with tasks in this process.", nil, func() float64 {
			p.mu.Lock()
			defer p.mu.Unlock()
			return float64(len(p.lanes))
		}),
		gauge("rollcall_enrich_waiting_tasks", "Tasks that this process holds.", nil, func() float64 {
			p.mu.Lock()
			defer p.mu.Unlock()
			return float64(p.waiting)
		}),
		gauge("rollcall_enrich_kept_event_bytes", "About what the events of waiting tasks take in memory. Beyond 2 MiB they are read again when it is their turn.", nil, func() float64 {
			p.mu.Lock()
			defer p.mu.Unlock()
			return float64(p.kept)
		}),
		gauge("rollcall_enrich_paused_accounts", "Accounts paused by a Retry-After.", nil, func() float64 {
			return float64(p.gate.countPaused())
		}),
		gauge("rollcall_enrich_oldest_head_seconds", "How long the slowest event has held up its conversation, whatever the reason.", nil, p.oldestHead),
	}
	for _, api := range apis() {
		all = append(all, gauge("rollcall_enrich_held_accounts", "Accounts whose credentials are missing or refused.",
			prometheus.Labels{"api": string(api)}, func() float64 { return float64(p.gate.holds.count(api)) }))
	}
	for h, health := range p.gate.hosts {
		all = append(all, gauge("rollcall_enrich_breaker_open", "1 while the breaker keeps calls from the host, and half-open, while it lets one through to see whether the host is well again; else 0.",
			prometheus.Labels{"host": string(h)}, func() float64 {
				if health.breaker.IsClosed() {
					return 0
				}
				return 1
			}))
	}
	return all
}

func (p *Pipeline) oldestHead() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var oldest time.Duration
	for _, l := range p.lanes {
		if len(l.items) > 0 && !l.items[0].ledSince.IsZero() {
			oldest = max(oldest, time.Since(l.items[0].ledSince))
		}
	}
	return oldest.Seconds()
}

func (m *metrics) called(lookup events.Lookup, v verdict, took time.Duration) {
	m.calls.WithLabelValues(string(lookup), string(v)).Inc()
	m.callSeconds.WithLabelValues(string(lookup)).Observe(took.Seconds())
}
