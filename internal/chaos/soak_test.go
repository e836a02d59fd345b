package chaos

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

var (
	soakFor   = flag.Duration("soak", 0, "how long TestSoak sends webhooks, under faults; 0 skips it")
	soakRate  = flag.Float64("rate", 20, "webhooks a second that TestSoak sends")
	soakSlice = flag.Duration("slice", 3*time.Minute, "after how long TestSoak waits until all is out, and judges it; at most 5m")
)

// soakAge is how long the streams keep what they are given: it bounds the disk. A slice must be judged before.
const soakAge = 20 * time.Minute

// soak is a storm that goes on for as long as one likes: webhooks at a steady rate and one fault after the other, with pauses. So
// that it needs no more memory and disk after hours than after minutes, it is judged in slices: at the end of
// each, all that it sent must be out, and the next has a new ledger, to which anything older is strange.
type soak struct {
	*storm
	load   *load
	ledger atomic.Pointer[sandbox.Ledger] // of the slice
	report soakReport
	began  time.Time
	until  time.Time // when the last slice ends
}

func TestSoak(t *testing.T) {
	if *soakFor == 0 {
		t.Skip("hours of webhooks under faults were not tested: give -soak 30m, say, and -timeout 0")
	}
	if *soakSlice > soakAge/4 || *soakSlice <= 0 {
		t.Fatalf("-slice: got %v, want at most %v: the streams keep what they are given for %v", *soakSlice, soakAge/4, soakAge)
	}
	k := newSoak(t)
	stop := k.tell(10 * time.Second)
	defer stop()
	for n := 1; time.Now().Before(k.until); n++ {
		if !k.slice(n) {
			break
		}
	}
	stop()
	k.report.duration = time.Since(k.began)
	t.Logf("soaked\n%s", k.report.table(k.calls()))
	if err := k.report.leaks(); err != nil {
		t.Error(err)
	}
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	seed := *seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	k := &soak{storm: &storm{random: rand.New(rand.NewPCG(seed, 0))}}
	k.rig = newRig(t, 3, broker.Topology{
		Replicas: 3, Partitions: stormPartitions, AckWait: ackWait, RawAge: soakAge, EnrichedAge: soakAge, DeadAge: soakAge,
	})
	k.audited = true
	for range 3 {
		k.enrichers = append(k.enrichers, k.startEnricher(t, newLink(t, k.cluster.address), nil))
	}
	for range 2 {
		k.ingests = append(k.ingests, k.newIngest(t))
	}
	k.crowd = newCrowd(t, k.rig, k.ingests...)
	k.load = newLoad(k.crowd, k.random.Uint64())
	k.weather.seed(seed)
	k.weather.bad.Store(true)
	k.report = newSoakReport(seed)
	k.ledger.Store(sandbox.NewLedger())
	k.began = time.Now()
	k.until = k.began.Add(*soakFor)
	return k
}

// slice sends for as long as a slice is, under faults, and judges what came of it. It reports whether all is well.
func (k *soak) slice(n int) bool {
	k.begin()
	ledger := sandbox.NewLedger()
	k.ledger.Store(ledger)
	end := time.Now().Add(min(*soakSlice, time.Until(k.until)))
	var sending sync.WaitGroup
	sending.Go(func() { k.load.run(ledger, end) })
	k.faults(end)
	sending.Wait()
	k.settleBy(ledger, patience)
	v := k.judgeBy(ledger)
	k.report.add(v)
	k.report.rest(k)
	k.t.Logf("slice %d: %d owed, %d enriched, %d dead; %s", n, v.Owed, v.Enriched, v.Dead, k.report.last())
	k.checkMissed(v, fmt.Sprintf("seed %d, slice %d", k.report.seed, n))
	if v.Err() != nil {
		k.t.Errorf("seed %d, slice %d: %v\n%s", k.report.seed, n, v.Err(), k.evidence())
	}
	return !k.t.Failed()
}

// begin notes where the streams are.
func (k *soak) begin() {
	must(k.t, "the cluster is whole", k.cluster.healthy)
	k.base = map[string]uint64{}
	for _, stage := range stages {
		name := streamOf(stage)
		must(k.t, "NATS tells of "+name, func() bool {
			at, ok := k.last(name)
			k.base[name] = at
			return ok
		})
	}
}

// faults does one fault after the other until end, with pauses of up to 20 s.
func (k *soak) faults(end time.Time) {
	for k.idle(time.Duration(k.random.Int64N(int64(20*time.Second))), end) {
		all := stepsOfStorm(k.random)
		step := all[k.random.IntN(len(all))]
		at := time.Now()
		k.suffer(step)
		k.report.fault(step)
		k.t.Logf("%6.0fs  %s (%.1fs)", time.Since(k.began).Seconds(), step, time.Since(at).Seconds())
	}
}

// idle lets d pass, and reports whether end has not come meanwhile.
func (k *soak) idle(d time.Duration, end time.Time) bool {
	timer := time.NewTimer(min(d, time.Until(end)))
	defer timer.Stop()
	<-timer.C
	return time.Now().Before(end)
}

// last returns the sequence of the last message that a stream was given, unless nobody can say just now.
func (k *soak) last(stream string) (at uint64, ok bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	s, err := k.js.Stream(ctx, stream)
	if err != nil {
		return 0, false
	}
	return s.CachedInfo().State.LastSeq, true
}
