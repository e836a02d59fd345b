package chaos

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// soakReport is what a soak comes to.
type soakReport struct {
	seed     uint64
	duration time.Duration
	slices   int
	faults   map[string]int
	sum      sandbox.Verdict
	rests    []rest // after each slice
	backlog  int    // the most that QUEUE held
	rss      int64  // the most resident memory of this process, in bytes
	servers  int64  // and of those of NATS together
}

// rest is what the process takes while nothing is under way and no ledger is held.
type rest struct {
	heap, disk int64 // bytes
	goroutines int
}

func newSoakReport(seed uint64) soakReport {
	return soakReport{seed: seed, faults: map[string]int{}, sum: sandbox.Verdict{Answers: map[int]int{}}}
}

func (r *soakReport) fault(x step) {
	r.faults[x.name]++
	for _, b := range x.beside {
		r.faults[b.name]++
	}
}

func (r *soakReport) add(v sandbox.Verdict) {
	r.slices++
	s := &r.sum
	for status, n := range v.Answers {
		s.Answers[status] += n
	}
	for _, f := range []struct {
		sum *int
		n   int
	}{
		{&s.Sent, v.Sent}, {&s.Owed, v.Owed}, {&s.Raw, v.Raw}, {&s.Enriched, v.Enriched}, {&s.Dead, v.Dead}, {&s.Lost, v.Lost},
		{&s.Twice, v.Twice}, {&s.OutOfOrder, v.OutOfOrder}, {&s.Refused, v.Refused}, {&s.WronglyDead, v.WronglyDead}, {&s.Stale, v.Stale}, {&s.Strange, v.Strange},
		{&s.Missed, v.Missed},
	} {
		*f.sum += f.n
	}
}

// rest measures. Nothing may be under way.
func (r *soakReport) rest(k *soak) {
	k.ledger.Store(sandbox.NewLedger())
	k.crowd.client.CloseIdleConnections()
	runtime.GC()
	runtime.GC() // what finalizers let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	now := rest{heap: int64(m.HeapAlloc), goroutines: runtime.NumGoroutine()}
	for _, n := range k.cluster.servers {
		now.disk += size(n.store())
	}
	for _, p := range k.ingests {
		now.disk += size(p.dir)
	}
	r.rests = append(r.rests, now)
}

// size is what the files below dir take.
func size(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // a file that has gone meanwhile takes nothing
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	return n
}

func (r *soakReport) last() string { return r.rests[len(r.rests)-1].String() }

func (x rest) String() string {
	return fmt.Sprintf("at rest %d MB heap, %d goroutines, %d MB on disk", x.heap>>20, x.goroutines, x.disk>>20)
}

// full returns what the process took once the streams had begun to let go of the oldest messages; nil when the run was shorter.
func (r *soakReport) full() *rest {
	n := int(soakAge / *soakSlice)
	if n+1 >= len(r.rests) {
		return nil
	}
	return &r.rests[n]
}

// leaks says what has grown though nothing more was held. What streams hold grows until their age, so that what takes
// memory and disk is compared from then on; goroutines from the first slice on.
func (r *soakReport) leaks() error {
	if len(r.rests) == 0 {
		return nil
	}
	var problems []error
	first, last := r.rests[0], r.rests[len(r.rests)-1]
	if last.goroutines > first.goroutines+100 {
		problems = append(problems, fmt.Errorf("got %d goroutines at rest after the last slice and %d after the first", last.goroutines, first.goroutines))
	}
	if full := r.full(); full != nil {
		if last.heap > 2*full.heap+64<<20 {
			problems = append(problems, fmt.Errorf("got a heap of %d MB at rest after the last slice and %d MB after %v", last.heap>>20, full.heap>>20, soakAge))
		}
		if last.disk > 2*full.disk+64<<20 {
			problems = append(problems, fmt.Errorf("got %d MB on disk after the last slice and %d MB after %v", last.disk>>20, full.disk>>20, soakAge))
		}
	}
	return errors.Join(problems...)
}

func (r *soakReport) table(calls int) string {
	var b strings.Builder
	row := func(name string, value any) { fmt.Fprintf(&b, "%-24s %8v\n", name, value) }
	row("duration", r.duration.Round(time.Second))
	row("slices", r.slices)
	b.WriteString(r.sum.Table(calls))
	row("most in QUEUE", r.backlog)
	row("most resident, MB", r.rss>>20)
	row("  all NATS servers", r.servers>>20)
	if len(r.rests) > 0 {
		first, last := r.rests[0], r.rests[len(r.rests)-1]
		row("heap at rest, MB", fmt.Sprintf("%d after the first slice, %d after the last", first.heap>>20, last.heap>>20))
		row("goroutines at rest", fmt.Sprintf("%d after the first slice, %d after the last", first.goroutines, last.goroutines))
		row("on disk, MB", fmt.Sprintf("%d after the first slice, %d after the last", first.disk>>20, last.disk>>20))
	}
	total := 0
	for _, n := range r.faults {
		total += n
	}
	row("faults", total)
	for _, name := range slices.Sorted(maps.Keys(r.faults)) {
		fmt.Fprintf(&b, "  %4d  %s\n", r.faults[name], name)
	}
	return b.String()
}

// tell logs every so often how far things are, and notes the most that was held, until stop is called.
func (k *soak) tell(every time.Duration) (stop func()) {
	done := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				k.t.Log(k.progress())
			case <-done:
				return
			}
		}
	})
	return sync.OnceFunc(func() {
		close(done)
		telling.Wait()
	})
}

// progress is the line. A figure is -1 while no server can tell it. Only tell's goroutine may call it.
func (k *soak) progress() string {
	backlog, enriched, dead := k.messages("ROLLCALL_QUEUE"), k.messages("ROLLCALL_ENRICHED"), k.messages("ROLLCALL_DEAD")
	k.report.backlog = max(k.report.backlog, backlog)
	own, servers := resident("self"), int64(0)
	for _, n := range k.cluster.servers {
		servers += resident(strconv.Itoa(n.pid())) // 0 is no process
	}
	k.report.rss, k.report.servers = max(k.report.rss, own), max(k.report.servers, servers)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	answered := k.crowd.answered.Load()
	return fmt.Sprintf("%6.0fs  %d sent and answered, slice: %d owed; streams hold: %d enriched, %d dead, backlog %d; %.2f API calls per event; heap %d MB, RSS %d MB and %d MB of NATS, %d goroutines",
		time.Since(k.began).Seconds(), answered, k.ledger.Load().Owed(), enriched, dead, backlog,
		float64(k.calls())/float64(max(answered, 1)), m.HeapAlloc>>20, own>>20, servers>>20, runtime.NumGoroutine())
}

// resident is the memory that a process holds, in bytes; 0 where the system does not say.
func resident(pid string) int64 {
	statm, err := os.ReadFile("/proc/" + pid + "/statm")
	if err != nil {
		return 0
	}
	var all, pages int64
	_, _ = fmt.Sscan(string(statm), &all, &pages)
	return pages * int64(os.Getpagesize())
}
