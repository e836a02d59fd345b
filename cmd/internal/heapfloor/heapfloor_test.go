package heapfloor

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// These tests are about the whole process and run one after the other.

func nobody(string) string { return "" }

// goal is the size of heap that the next collection is planned for.
func goal() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// wantGoal collects until the goal is between least and most.
func wantGoal(t *testing.T, what string, least, most uint64) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		runtime.GC()
		runtime.Gosched()
		got := goal()
		if got >= least && got <= most {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: got a goal of %d MiB, want %d to %d", what, got>>20, least>>20, most>>20)
		}
	}
}

func TestASmallHeapGetsTheFloorAndALargeOneAHalf(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	stop := Keep(nobody)
	defer stop()
	wantGoal(t, "with nothing live", floor*8/10, floor*12/10)

	func() {
		large := make([]byte, 100<<20)
		wantGoal(t, "with 100 MiB live", 140<<20, 160<<20)
		runtime.KeepAlive(large)
	}()
	wantGoal(t, "with them gone", floor*8/10, floor*12/10)

	stop()
	stop()
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("after stop: got %d %%, want the 100 of before", got)
	}
	runtime.GC()
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("a collection after stop: got %d %%, want 100", got)
	}
}

func TestTheOperatorsWordStands(t *testing.T) {
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		stop := Keep(func(asked string) string {
			if asked == name {
				return "77"
			}
			return ""
		})
		runtime.GC()
		stop()
		if got := debug.SetGCPercent(77); got != 77 {
			t.Errorf("with %s set: got %d %%, want it left alone", name, got)
		}
	}
}

func TestPercentFor(t *testing.T) {
	for _, tt := range []struct {
		live, roots uint64
		want        int
	}{
		{0, 0, most},
		{4 << 20, 1 << 20, 320},
		{10 << 20, 0, 100},
		{20 << 20, 0, 50},
		{20 << 20, 5 << 20, 40},
		{200 << 20, 0, 50},
	} {
		if got := percentFor(tt.live, tt.roots); got != tt.want {
			t.Errorf("%d MiB live and %d of roots: got %d %%, want %d", tt.live>>20, tt.roots>>20, got, tt.want)
		}
	}
}
