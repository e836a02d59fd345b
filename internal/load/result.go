package load

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is what a run measured. Its JSON is what --json writes.
type Result struct {
	Name        string      `json:"name"`
	Connections int         `json:"connections"`
	AskedRate   float64     `json:"asked_rate,omitempty"` // a second; absent for a closed loop
	Seconds     float64     `json:"seconds"`
	Done        int         `json:"done"`
	Failed      int         `json:"failed"`  // of them, those without a 2xx
	Answers     map[int]int `json:"answers"` // by status; 0: no answer
	Rate        float64     `json:"rate"`    // 2xx a second
	Latency     Latency     `json:"latency"`
	Series      []Point     `json:"series"`
}

// Latency is in milliseconds: in an open loop from the time at which a request was scheduled, in a closed one from when it was sent.
type Latency struct {
	Mean        float64   `json:"mean_ms"`
	P50         float64   `json:"p50_ms"`
	P90         float64   `json:"p90_ms"`
	P99         float64   `json:"p99_ms"`
	P999        float64   `json:"p999_ms"`
	Max         float64   `json:"max_ms"`
	Percentiles []Bracket `json:"percentiles"` // the whole distribution
}

// Bracket is one step of a distribution.
type Bracket struct {
	Percentile   float64 `json:"percentile"`
	Milliseconds float64 `json:"ms"`
}

// Point is one interval of a run.
type Point struct {
	Seconds float64 `json:"seconds"` // its end, after the start
	Rate    float64 `json:"rate"`    // answers a second within it
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Done    int     `json:"done"`   // since the start
	Failed  int     `json:"failed"` // since the start
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	l := Latency{
		Mean: h.Mean() / 1000, P50: milliseconds(h, 50), P90: milliseconds(h, 90), P99: milliseconds(h, 99),
		P999: milliseconds(h, 99.9), Max: float64(h.Max()) / 1000,
	}
	for _, b := range h.CumulativeDistribution() {
		l.Percentiles = append(l.Percentiles, Bracket{b.Quantile, float64(b.ValueAt) / 1000})
	}
	return l
}

// Table returns the figures, for people.
func (r Result) Table() string {
	var b strings.Builder
	row := func(name, format string, values ...any) {
		fmt.Fprintf(&b, "%-24s "+format+"\n", append([]any{name}, values...)...)
	}
	loop := "closed"
	if r.AskedRate > 0 {
		loop = fmt.Sprintf("open, %.0f/s asked", r.AskedRate)
	}
	row("loop", "%s, %d connections", loop, r.Connections)
	row("time", "%.1f s", r.Seconds)
	row("requests", "%d", r.Done)
	for _, status := range slices.Sorted(maps.Keys(r.Answers)) {
		name := fmt.Sprintf("  answered %d", status)
		if status == 0 {
			name = "  not answered"
		}
		row(name, "%d", r.Answers[status])
	}
	row("2xx a second", "%.0f", r.Rate)
	l := r.Latency
	for _, p := range []struct {
		name  string
		value float64
	}{{"mean", l.Mean}, {"p50", l.P50}, {"p90", l.P90}, {"p99", l.P99}, {"p99.9", l.P999}, {"max", l.Max}} {
		row("latency "+p.name, "%.2f ms", p.value)
	}
	return b.String()
}

// String returns one line that tells how a run is going.
func (p Point) String() string {
	return fmt.Sprintf("%5.0f s  %8d done  %7.0f/s  p50 %8.2f ms  p99 %8.2f ms  %d failed", p.Seconds, p.Done, p.Rate, p.P50, p.P99, p.Failed)
}
