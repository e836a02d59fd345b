// Package heapfloor keeps a service whose heap is small from collecting garbage all the time, and one whose heap is large from growing
// to twice of it. It is for main functions alone.
package heapfloor

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// What Go collects at is twice what is live. A service that has little to keep, 4 MiB or so, makes as much garbage within some hundred events: it then
// collects dozens of times a second, which is a fifth of its time. So nothing is collected before the heap has floor bytes; and a heap that is
// large already is let grow by a half.
const (
	floor  = 20 << 20
	growth = 50 // percent
)

// most is the percentage at which the runtime's own least heap, 4 MiB at 100 percent, is the floor.
const most = 100 * floor / (4 << 20)

// Keep sets when garbage is collected, after each collection anew, until stop is called, which puts it back. It leaves everything to an operator
// who has set GOGC or GOMEMLIMIT.
func Keep(getenv func(string) string) (stop func()) {
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	k := &keeper{percent: most}
	before := debug.SetGCPercent(most)
	k.watch()
	return sync.OnceFunc(func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.stopped = true
		debug.SetGCPercent(before)
	})
}

type keeper struct {
	mu      sync.Mutex
	stopped bool
	percent int
}

// cycle is garbage from the beginning: that it is found says that a collection has ended.
type cycle struct{ of *keeper }

func (k *keeper) watch() { runtime.AddCleanup(&cycle{k}, (*keeper).collected, k) }

func (k *keeper) collected() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return
	}
	k.watch()
	percent := percentFor(read())
	if apart := max(percent, k.percent) - min(percent, k.percent); apart*10 < k.percent {
		return // setting it stops the world
	}
	k.percent = percent
	debug.SetGCPercent(percent)
}

// percentFor is the percentage at which the next collection begins with a heap as it should be, where live bytes of heap survived the last and roots
// are what the runtime adds to them for its reckoning: stacks and globals.
func percentFor(live, roots uint64) int {
	target := max(floor, live+live*growth/100)
	return int(max(1, min(most, (target-live)*100/max(live+roots, 1)))) //nolint:gosec // most at most
}

func read() (live, roots uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64() + samples[2].Value.Uint64()
}
