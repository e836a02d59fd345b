package ingest

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-events/rollcall/events"
)

// noFeed is the feed label of a request to no route of ours.
const noFeed = "none"

type metrics struct {
	webhooks *prometheus.CounterVec
	duration *prometheus.HistogramVec
	bytes    *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

// newMetrics registers the metrics, every series at zero, with reg unless that is nil.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_ingest_webhooks_total", Help: "Webhooks answered, by feed and by what became of them.",
		}, []string{"feed", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_ingest_webhook_duration_seconds", Help: "Time from a webhook's headers to its answer. Twilio waits 5 s.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 3, 4, 5},
		}, []string{"feed"}),
		bytes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_ingest_body_bytes", Help: "Size of the bodies of genuine webhooks.",
			Buckets: prometheus.ExponentialBuckets(256, 4, 8),
		}, []string{"feed"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_ingest_in_flight_webhooks", Help: "Webhooks being answered now.",
		}),
	}
	m.zero()
	if reg == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.webhooks, m.duration, m.bytes, m.inFlight} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

func (m *metrics) zero() {
	for _, rt := range routes() {
		for o := range verdicts() {
			m.webhooks.WithLabelValues(string(rt.feed), string(o))
		}
		m.duration.WithLabelValues(string(rt.feed))
		m.bytes.WithLabelValues(string(rt.feed))
	}
}

func (m *metrics) observe(feed events.Feed, res result, took time.Duration) {
	label := feedLabel(feed)
	m.webhooks.WithLabelValues(label, string(res.outcome)).Inc()
	m.duration.WithLabelValues(label).Observe(took.Seconds())
	if res.bytes > 0 {
		m.bytes.WithLabelValues(label).Observe(float64(res.bytes))
	}
}

func feedLabel(feed events.Feed) string {
	if feed == "" {
		return noFeed
	}
	return string(feed)
}
