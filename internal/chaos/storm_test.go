package chaos

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// storm is the run under faults: three enrichers and two ingests on a cluster.
type storm struct {
	*rig
	crowd     *crowd
	enrichers []*enricher
	ingests   []*ingestProcess
	random    *rand.Rand
}

// fault is something that goes wrong, and right again, while webhooks come in. It ends when all is whole again.
type fault struct {
	name string
	do   func(*storm)
}

func faultsOfStorm() []fault {
	leader := func(name string, lead func(*server.Server) bool) fault {
		return fault{"the server that leads " + name + " goes", func(s *storm) { s.bounce(s.cluster.leader(lead)) }}
	}
	all := []fault{
		{"an enricher is killed", func(s *storm) { s.replace((*enricher).kill) }},
		{"an enricher stops and starts", func(s *storm) { s.replace(func(e *enricher) { e.end() }) }},
		{"an enricher loses its connection", func(s *storm) { e := s.anEnricher(); e.link.cut(); e.link.mend() }},
		{"an enricher's connection freezes and wakes late", (*storm).freezeLink},
		{"an enricher freezes and wakes late", (*storm).freezeTasks},
		{"an ingest is killed", func(s *storm) { p := s.anIngest(); p.kill(); p.restart() }},
		{"an ingest stops and starts", func(s *storm) { p := s.anIngest(); p.stop(); p.restart() }},
		{"an ingest is cut off from NATS", (*storm).cutOff},
		{"a server goes", func(s *storm) { s.bounce(s.random.IntN(len(s.cluster.opts))) }},
		{"every server goes at once", (*storm).blackout},
		{"Twilio is out", (*storm).outage},
		leader("the cluster", (*server.Server).JetStreamIsLeader),
	}
	for _, stream := range []string{"ROLLCALL_RAW", "ROLLCALL_QUEUE", "ROLLCALL_ENRICHED", "ROLLCALL_DEAD"} {
		all = append(all, leader(stream, func(n *server.Server) bool { return n.JetStreamIsStreamLeader(account, stream) }))
	}
	for p := range 2 {
		consumer := fmt.Sprintf("enricher-%d", p)
		all = append(all, leader("consumer "+consumer, func(n *server.Server) bool { return n.JetStreamIsConsumerLeader(account, "ROLLCALL_QUEUE", consumer) }))
	}
	return all
}

func (s *storm) anEnricher() *enricher    { return s.enrichers[s.random.IntN(len(s.enrichers))] }
func (s *storm) anIngest() *ingestProcess { return s.ingests[s.random.IntN(len(s.ingests))] }

// replace ends one enricher and starts it again.
func (s *storm) replace(end func(*enricher)) {
	i := s.random.IntN(len(s.enrichers))
	end(s.enrichers[i])
	s.enrichers[i] = s.startEnricher(s.t, s.enrichers[i].link, nil)
}

// bounce stops a server and starts it again on its store.
func (s *storm) bounce(i int) {
	s.cluster.stop(i)
	s.flow()
	s.cluster.start(i)
	must(s.t, "the cluster is healthy again", s.cluster.healthy)
}

// blackout leaves no server, for a while in which every webhook goes to an outbox.
func (s *storm) blackout() {
	s.cluster.stopAll()
	s.flow()
	s.cluster.startAll()
}

func (s *storm) freezeLink() {
	e := s.anEnricher()
	e.link.freeze()
	defer e.link.thaw()
	s.outlast(s.ackWait)
}

func (s *storm) freezeTasks() {
	e := s.anEnricher()
	e.gate.close()
	defer e.gate.open()
	s.outlast(s.ackWait)
}

func (s *storm) cutOff() {
	p := s.anIngest()
	p.link.cut()
	defer p.link.mend()
	s.flow()
}

func (s *storm) outage() {
	s.weather.out.Store(true)
	defer s.weather.out.Store(false)
	s.flow()
}

// outlast lets somewhat more than d pass: the fault is its length.
func (s *storm) outlast(d time.Duration) {
	end := time.Now().Add(d + d/3)
	_ = eventually(2*d, func() bool { return time.Now().After(end) })
}

// flow waits until some more webhooks are answered, if that is possible in the state that things are in.
func (s *storm) flow() {
	target := s.crowd.answered.Load() + 50
	_ = eventually(4*time.Second, func() bool { return s.crowd.answered.Load() >= target })
}

// stormAckWait is longer than ackWait, since each of the thousands of tasks that wait in a storm is extended three times in it. The same
// 20,000 events (seed 15725275885497869356) took 280 s with ackWait and 162 s with this, on a machine that had other work both times.
const stormAckWait = 2 * ackWait

// missedMost is how many events of a storm the audit may have to find. nats-server 2.15.2 skips what QUEUE was to take from RAW when an old
// request for it is answered after the lead of QUEUE was lost and regained: what was under way in that moment, seldom.
const missedMost = 10

// checkMissed tells what the audit had to find, and fails the test where that is too much.
func (s *storm) checkMissed(v sandbox.Verdict, run string) {
	s.t.Helper()
	if v.Missed > 0 {
		s.t.Logf("%s: the audit found %d events\n%s", run, v.Missed, s.evidence())
	}
	if v.Missed > missedMost {
		s.t.Errorf("%s: got %d events that came to no enricher, want at most %d", run, v.Missed, missedMost)
	}
}

// weathered runs n webhooks under rounds of all faults, each round in another order.
func weathered(t *testing.T, n, rounds int) {
	t.Helper()
	seed := *seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	began := time.Now()
	s := &storm{random: rand.New(rand.NewPCG(seed, 0))}
	s.rig = newRig(t, 3, broker.Topology{Replicas: 3, Partitions: 4, AckWait: stormAckWait})
	s.audited = true
	for range 3 {
		s.enrichers = append(s.enrichers, s.startEnricher(t, newLink(t, s.cluster.address), nil))
	}
	for range 2 {
		s.ingests = append(s.ingests, s.newIngest(t))
	}
	s.crowd = newCrowd(t, s.rig, s.ingests...)
	s.weather.seed(seed)
	s.weather.bad.Store(true)

	all := talks(n)
	done := s.crowd.begin(all)
	var plan []fault
	for range rounds {
		round := faultsOfStorm()
		s.random.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
		plan = append(plan, round...)
	}
	share := total(all)/len(plan) + 1
	for i, f := range plan {
		s.crowd.let(share)
		must(t, "webhooks are answered", func() bool { return s.crowd.answered.Load() >= int64(i*share+share/4) })
		at := time.Now()
		f.do(s)
		t.Logf("%6.1fs  %6d answered  %s (%.1fs); %s", time.Since(began).Seconds(), s.crowd.answered.Load(), f.name, time.Since(at).Seconds(), s.state())
		if t.Failed() {
			return
		}
	}
	if !eventually(2*time.Minute, func() bool { return isClosed(done) }) {
		t.Fatalf("seed %d: %d of %d webhooks were answered; %s", seed, s.crowd.answered.Load(), total(all), s.state())
	}
	sent := time.Since(began)
	s.settle(patience)
	settled := time.Since(began)
	for _, e := range s.enrichers {
		e.end()
	}
	for _, p := range s.ingests {
		p.stop()
	}
	v := s.judge()
	t.Logf("%d faults; all sent after %.0fs, all out after %.0fs, judged after %.0fs\n%s",
		len(plan), sent.Seconds(), settled.Seconds(), time.Since(began).Seconds(), v.Table(s.calls()))
	if err := v.Err(); err != nil {
		t.Errorf("seed %d: %v\n%s", seed, err, s.evidence())
	}
	s.checkMissed(v, fmt.Sprintf("seed %d", seed))
	if want := total(all); v.Owed != want {
		t.Errorf("seed %d: got %d events answered 2xx, want all %d", seed, v.Owed, want)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestNothingIsLostInAStorm(t *testing.T) {
	n, rounds := 20_200, 1 // of which talks rounds off some
	if testing.Short() {
		n = 1_500
	}
	if *count != 0 {
		n = *count
	}
	weathered(t, n, rounds)
}
