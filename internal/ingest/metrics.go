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
	feeds    map[events.Feed]feedMetrics // of the routes there are
}

// feedMetrics are the series of one feed, looked up once.
type feedMetrics struct {
	outcomes        map[outcome]prometheus.Counter
	duration, bytes prometheus.Observer
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

// zero begins every series: Prometheus' increase() does not see the first count of one that begins with it.
func (m *metrics) zero() {
	m.feeds = make(map[events.Feed]feedMetrics)
	for _, rt := range routes() {
		label := feedLabel(rt.feed)
		f := feedMetrics{make(map[outcome]prometheus.Counter), m.duration.WithLabelValues(label), m.bytes.WithLabelValues(label)}
		for o := range verdicts() {
			f.outcomes[o] = m.webhooks.WithLabelValues(label, string(o))
		}
		m.feeds[rt.feed] = f
	}
	m.webhooks.WithLabelValues(noFeed, string(noRoute))
	m.webhooks.WithLabelValues(noFeed, string(wrongPath))
	m.duration.WithLabelValues(noFeed)
}

func (m *metrics) observe(feed events.Feed, res result, took time.Duration) {
	f, ok := m.feeds[feed]
	if !ok { // nor was there a body to read
		m.webhooks.WithLabelValues(feedLabel(feed), string(res.outcome)).Inc()
		m.duration.WithLabelValues(feedLabel(feed)).Observe(took.Seconds())
		return
	}
	f.outcomes[res.outcome].Inc()
	f.duration.Observe(took.Seconds())
	if res.bytes > 0 {
		f.bytes.Observe(float64(res.bytes))
	}
}

func feedLabel(feed events.Feed) string {
	if feed == "" {
		return noFeed
	}
	return string(feed)
}
