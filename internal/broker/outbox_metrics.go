package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
)

type outboxMetrics struct {
	kept, drained prometheus.Counter
	unregister    func()
}

// newOutboxMetrics registers the outbox's metrics; what waits is read from state at each scrape.
func newOutboxMetrics(state func(context.Context) (jetstream.StreamState, error), r prometheus.Registerer) (*outboxMetrics, error) {
	m := &outboxMetrics{
		kept:       prometheus.NewCounter(prometheus.CounterOpts{Name: "rollcall_outbox_kept_total", Help: "Messages that went to disk, since NATS did not take them in time."}),
		drained:    prometheus.NewCounter(prometheus.CounterOpts{Name: "rollcall_outbox_drained_total", Help: "Messages that went from disk to NATS."}),
		unregister: func() {},
	}
	if r == nil {
		return m, nil
	}
	all := []prometheus.Collector{m.kept, m.drained}
	for name, g := range outboxGauges() {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: g.help}, func() float64 {
			s, err := state(context.Background())
			if err != nil {
				return -1
			}
			return g.read(s)
		}))
	}
	for i, c := range all {
		if err := r.Register(c); err != nil {
			for _, c := range all[:i] {
				r.Unregister(c)
			}
			return nil, fmt.Errorf("register metrics of the outbox: %w", err)
		}
	}
	m.unregister = func() {
		for _, c := range all {
			r.Unregister(c)
		}
	}
	return m, nil
}

type outboxGauge struct {
	help string
	read func(jetstream.StreamState) float64
}

func outboxGauges() map[string]outboxGauge {
	return map[string]outboxGauge{
		"rollcall_outbox_messages": {"Messages that wait on disk for NATS; -1 when the disk cannot be read.", func(s jetstream.StreamState) float64 {
			return float64(s.Msgs)
		}},
		"rollcall_outbox_bytes": {"Bytes that wait on disk for NATS; -1 when the disk cannot be read.", func(s jetstream.StreamState) float64 {
			return float64(s.Bytes)
		}},
		"rollcall_outbox_oldest_seconds": {"Age of the oldest message that waits on disk; -1 when the disk cannot be read.", func(s jetstream.StreamState) float64 {
			if s.Msgs == 0 {
				return 0
			}
			return time.Since(s.FirstTime).Seconds()
		}},
	}
}
