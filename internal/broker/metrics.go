package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-events/rollcall/events"
)

// outcome is how a publish ended: a closed list, and a metric's label.
type outcome string

const (
	outcomeStored      outcome = "stored"
	outcomeDuplicate   outcome = "duplicate"
	outcomeFenced      outcome = "fenced"
	outcomeTooLarge    outcome = "too_large"
	outcomeDenied      outcome = "denied"
	outcomeUnavailable outcome = "unavailable" // not connected, or nobody there to store it
	outcomeTimeout     outcome = "timeout"
	outcomeRefused     outcome = "refused" // any other refusal by JetStream
)

func allOutcomes() []outcome {
	return []outcome{
		outcomeStored, outcomeDuplicate, outcomeFenced, outcomeTooLarge, outcomeDenied, outcomeUnavailable, outcomeTimeout, outcomeRefused,
	}
}

func outcomeOf(ack *jetstream.PubAck, err error) outcome {
	var denied *deniedError
	switch {
	case err == nil && ack.Duplicate:
		return outcomeDuplicate
	case err == nil:
		return outcomeStored
	case isFenced(err):
		return outcomeFenced
	case isTooLarge(err):
		return outcomeTooLarge
	case errors.As(err, &denied):
		return outcomeDenied
	case apiCode(err) != 0:
		return outcomeRefused
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, nats.ErrTimeout):
		return outcomeTimeout
	default:
		return outcomeUnavailable
	}
}

// problemKind is what NATS reports out of band: a closed list, and a metric's label.
type problemKind string

const (
	problemDenied       problemKind = "denied"
	problemSlowConsumer problemKind = "slow_consumer"
	problemOther        problemKind = "other"
)

func allProblems() []problemKind {
	return []problemKind{problemDenied, problemSlowConsumer, problemOther}
}

// turn is what happens to a task: a closed list, and a metric's label.
type turn string

const (
	turnDelivered   turn = "delivered"
	turnRedelivered turn = "redelivered"
	turnDoneBefore  turn = "done_before"
	turnCorrupt     turn = "corrupt"
	turnPanicked    turn = "panicked" // a defect, and corrupt too
	turnLapsed      turn = "lapsed"
	turnEarly       turn = "early"
)

func allTurns() []turn {
	return []turn{turnDelivered, turnRedelivered, turnDoneBefore, turnCorrupt, turnPanicked, turnLapsed, turnEarly}
}

// metrics are those of one connection, told from another's by the label "client".
type metrics struct {
	connected  prometheus.Gauge
	reconnects prometheus.Counter
	problems   *prometheus.CounterVec // kind
	publishes  *prometheus.CounterVec // stage, outcome
	seconds    *prometheus.HistogramVec
	tasks      *prometheus.CounterVec // event

	// Vectors without labels: a client that takes no tasks, or does not audit, sets none of them, and so does not export them.
	members *prometheus.GaugeVec
	owned   *prometheus.GaugeVec
	full    *prometheus.GaugeVec
	open    *prometheus.GaugeVec
	missed  *prometheus.CounterVec

	unregister func()
}

func newMetrics() *metrics {
	return &metrics{
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_nats_connected", Help: "1 while connected to NATS.",
		}),
		reconnects: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_nats_reconnects_total", Help: "Times that a lost connection to NATS was made again.",
		}),
		problems: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_nats_problems_total", Help: "Problems that NATS reported out of band, by kind: denied, slow_consumer, other.",
		}, []string{"kind"}),
		publishes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_nats_publishes_total", Help: "Messages published, by stage and outcome.",
		}, []string{"stage", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_nats_publish_seconds", Help: "How long a publish took until its outcome was known.",
			Buckets: prometheus.ExponentialBuckets(0.000_5, 2, 14),
		}, []string{"stage"}),
		tasks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_nats_tasks_total", Help: "Tasks by what happened: delivered, redelivered, done_before, corrupt, panicked (a defect, and corrupt too), lapsed, early.",
		}, []string{"event"}),
		members: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_enricher_members", Help: "Enrichers that this one knows of, itself included; 0 while it cannot tell.",
		}, nil),
		owned: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_enricher_partitions_owned", Help: "Partitions that this enricher takes from before all others.",
		}, nil),
		full: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_enricher_partitions_full", Help: "Partitions that hold as many unfinished tasks as they may, so that no other event in them is delivered. Each enricher counts all that it knows of.",
		}, nil),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_audit_open_events", Help: "Events that have no outcome yet, of those that were delivered or that a later one overtook; 0 in an enricher that does not audit.",
		}, nil),
		missed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_audit_missed_events_total", Help: "Events that were stored and came to no enricher, made dead letters by the audit.",
		}, nil),
	}
}

func (m *metrics) register(r prometheus.Registerer, client string) error {
	if r == nil {
		return nil
	}
	r = prometheus.WrapRegistererWith(prometheus.Labels{"client": client}, r)
	all := []prometheus.Collector{m.connected, m.reconnects, m.problems, m.publishes, m.seconds, m.tasks, m.members, m.owned, m.full, m.open, m.missed}
	for i, c := range all {
		if err := r.Register(c); err != nil {
			for _, c := range all[:i] {
				r.Unregister(c)
			}
			return fmt.Errorf("register metrics of NATS client %q: %w", client, err)
		}
	}
	m.unregister = func() {
		for _, c := range all {
			r.Unregister(c)
		}
	}
	return nil
}

// zero begins the series of what a client in this role can count: Prometheus' increase() does not see the first count of one that begins with it.
func (m *metrics) zero(role Role) {
	for _, p := range allProblems() {
		m.problems.WithLabelValues(string(p))
	}
	if role == RoleEnricher {
		for _, t := range allTurns() {
			m.tasks.WithLabelValues(string(t))
		}
	}
	for _, stage := range role.stores() {
		for _, o := range allOutcomes() {
			m.publishes.WithLabelValues(string(stage), string(o))
		}
	}
}

func (m *metrics) close() {
	if m.unregister != nil {
		m.unregister()
	}
}

func (m *metrics) published(stage events.Stage, took time.Duration, o outcome) {
	m.publishes.WithLabelValues(string(stage), string(o)).Inc()
	m.seconds.WithLabelValues(string(stage)).Observe(took.Seconds())
}

func (m *metrics) reported(p problemKind) { m.problems.WithLabelValues(string(p)).Inc() }

func (m *metrics) task(t turn) { m.tasks.WithLabelValues(string(t)).Inc() }

// auditing begins the series of who may audit.
func (m *metrics) auditing() {
	m.open.WithLabelValues().Set(0)
	m.missed.WithLabelValues()
}

// dealt notes how many enrichers there are, and how many partitions this one owns.
func (m *metrics) dealt(members, owned int) {
	m.owned.WithLabelValues().Set(float64(owned))
	m.members.WithLabelValues().Set(float64(members)) // who sees this sees the other too
}
