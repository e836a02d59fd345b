package chaos

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// figures are a process's metrics.
type figures struct{ *prometheus.Registry }

// reading is one metric as it is now.
type reading struct {
	labels []string // values
	value  float64  // of a counter or a gauge
	count  uint64   // of a histogram
	upTo   map[float64]uint64
}

// readings returns those of a name, and of a label's value if one is given.
func (f figures) readings(name string, label ...string) (all []reading) {
	families, _ := f.Gather() // what is asked for is looked for until it is found
	for _, family := range families {
		for _, m := range family.GetMetric() {
			r := reading{
				value: m.GetCounter().GetValue() + m.GetGauge().GetValue(), count: m.GetHistogram().GetSampleCount(), upTo: map[float64]uint64{},
			}
			for _, pair := range m.GetLabel() {
				r.labels = append(r.labels, pair.GetValue())
			}
			for _, b := range m.GetHistogram().GetBucket() {
				r.upTo[b.GetUpperBound()] = b.GetCumulativeCount()
			}
			if family.GetName() == name && !slices.ContainsFunc(label, func(l string) bool { return !slices.Contains(r.labels, l) }) {
				all = append(all, r)
			}
		}
	}
	return all
}

// sum adds up counters or gauges.
func (f figures) sum(name string, label ...string) (n float64) {
	for _, r := range f.readings(name, label...) {
		n += r.value
	}
	return n
}

// slower returns how many of a histogram's observations were greater than some bound, rounded up to one of its own.
func (f figures) slower(than float64, name string) (n uint64) {
	for _, r := range f.readings(name) {
		within := r.count
		for bound, upTo := range r.upTo {
			if bound >= than {
				within = min(within, upTo)
			}
		}
		n += r.count - within
	}
	return n
}

func slowerThan(bound float64, name string) func(figures) bool {
	return func(f figures) bool { return f.slower(bound, name) > 0 }
}

func counts(name string) func(figures) bool {
	return func(f figures) bool { return f.sum(name) > 0 }
}

func isDisconnected(f figures) bool { return f.sum("rollcall_nats_connected") == 0 }

func hasFailedCalls(f figures) bool { return f.sum("rollcall_enrich_calls_total", "retry") > 0 }
