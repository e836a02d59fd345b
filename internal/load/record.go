package load

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A histogram holds microseconds up to 10 minutes, to three digits. Longer times count as 10 minutes.
const (
	longest = 10 * time.Minute
	digits  = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, longest.Microseconds(), digits)
}

// recorder records how long everything took.
type recorder struct {
	start time.Time
	every time.Duration

	mu      sync.Mutex
	all     *hdrhistogram.Histogram
	now     *hdrhistogram.Histogram // since the last point
	answers map[int]int
	failed  int
	since   time.Time // the last point
	series  []Point
}

func newRecorder(start time.Time, every time.Duration) *recorder {
	if every <= 0 {
		every = time.Second
	}
	return &recorder{start: start, every: every, all: newHistogram(), now: newHistogram(), answers: map[int]int{}, since: start}
}

func (r *recorder) record(took time.Duration, status int) {
	took = min(max(took, time.Microsecond), longest)
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.all.RecordValue(took.Microseconds()) // it fails only out of the histogram's range
	_ = r.now.RecordValue(took.Microseconds())
	r.answers[status]++
	if !stored(status) {
		r.failed++
	}
}

func stored(status int) bool { return status/100 == 2 }

func (r *recorder) tickUntil(ctx context.Context, told func(Point)) {
	ticker := time.NewTicker(r.every)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			if p := r.point(now); told != nil {
				told(p)
			}
		case <-ctx.Done():
			return
		}
	}
}

// point ends the interval that began at the last point, and returns its figures.
func (r *recorder) point(now time.Time) Point {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := Point{
		Seconds: now.Sub(r.start).Seconds(), Rate: float64(r.now.TotalCount()) / now.Sub(r.since).Seconds(),
		P50: milliseconds(r.now, 50), P99: milliseconds(r.now, 99), Done: int(r.all.TotalCount()), Failed: r.failed,
	}
	r.now.Reset()
	r.since = now
	r.series = append(r.series, p)
	return p
}

func milliseconds(h *hdrhistogram.Histogram, percentile float64) float64 {
	return float64(h.ValueAtPercentile(percentile)) / 1000
}

func (r *recorder) result(p Plan, elapsed time.Duration) Result {
	if end := r.start.Add(elapsed); end.Sub(r.since) > r.every/4 { // a shorter interval is too short for a rate
		r.point(end)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	done := int(r.all.TotalCount())
	return Result{
		Name: p.Name, Connections: p.Workers, AskedRate: p.Rate, Seconds: elapsed.Seconds(),
		Done: done, Failed: r.failed, Answers: maps.Clone(r.answers), Rate: float64(done-r.failed) / elapsed.Seconds(),
		Latency: latencyOf(r.all), Series: r.series,
	}
}
