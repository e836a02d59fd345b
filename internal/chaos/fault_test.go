package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// fault is something that goes wrong, and right again, while webhooks come in. It ends when all is whole again.
type fault struct {
	name string
	do   func(*storm, *rand.Rand)
}

// stormPartitions is how many partitions, and so consumers, QUEUE has.
const stormPartitions = 4

// faultsOfServers are those of the cluster. Consumers are led each by itself; random chooses two.
func faultsOfServers(random *rand.Rand) []fault {
	all := []fault{
		{"a server stops and starts", (*storm).restartServer},
		{"every server is killed at once", (*storm).blackout},
	}
	leads := []led{{}, {stream: "ROLLCALL_RAW"}, {stream: "ROLLCALL_QUEUE"}, {stream: "ROLLCALL_ENRICHED"}, {stream: "ROLLCALL_DEAD"}}
	for _, p := range random.Perm(stormPartitions)[:2] {
		leads = append(leads, led{"ROLLCALL_QUEUE", fmt.Sprintf("enricher-%d", p)})
	}
	for _, what := range leads {
		all = append(all, fault{"the server that leads " + what.String() + " is killed", func(s *storm, random *rand.Rand) { s.killLeader(what, random) }})
	}
	return append(all, fault{"a server is killed", (*storm).killServer})
}

// endings are the faults that may come to an enricher or an ingest at any time, also while servers are away.
func endings() []fault {
	return []fault{
		{"an enricher is killed", func(s *storm, random *rand.Rand) { s.replace(random, (*enricher).kill) }},
		{"an enricher stops and starts", func(s *storm, random *rand.Rand) { s.replace(random, func(e *enricher) { e.end() }) }},
		{"an enricher loses its connection", func(s *storm, random *rand.Rand) { e := s.anEnricher(random); e.link.cut(); e.link.mend() }},
		{"an ingest is killed", func(s *storm, random *rand.Rand) { p := s.anIngest(random); p.kill(); p.restart() }},
		{"an ingest stops and starts", func(s *storm, random *rand.Rand) { p := s.anIngest(random); p.stop(); p.restart() }},
	}
}

// lapses are the faults that last for a while, in which nobody but one process or Twilio is away.
func lapses() []fault {
	return []fault{
		{"an enricher's connection freezes and wakes late", (*storm).freezeLink},
		{"an enricher freezes and wakes late", (*storm).freezeTasks},
		{"an ingest is cut off from NATS", (*storm).cutOff},
		{"Twilio is out", (*storm).outage},
	}
}

// step is a fault of a plan, and what happens at the same time.
type step struct {
	fault
	random *rand.Rand // its own: what it chooses does not depend on how far the others are
	beside []step     // one after the other
}

// planned returns rounds of all faults, each in another order.
func planned(random *rand.Rand, rounds int) (plan []step) {
	for range rounds {
		round := stepsOfStorm(random)
		random.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
		plan = append(plan, round...)
	}
	return plan
}

// stepsOfStorm returns every fault once. Enrichers and ingests end while those of servers are under way.
func stepsOfStorm(random *rand.Rand) (all []step) {
	for _, f := range slices.Concat(endings(), lapses()) {
		all = append(all, newStep(f, random))
	}
	for _, f := range faultsOfServers(random) {
		s := newStep(f, random)
		for range 1 + random.IntN(2) {
			s.beside = append(s.beside, newStep(endings()[random.IntN(len(endings()))], random))
		}
		all = append(all, s)
	}
	return all
}

func newStep(f fault, random *rand.Rand) step {
	return step{fault: f, random: rand.New(rand.NewPCG(random.Uint64(), 0))}
}

func (x step) String() string {
	if len(x.beside) == 0 {
		return x.name
	}
	var names []string
	for _, b := range x.beside {
		names = append(names, b.name)
	}
	return x.name + ", meanwhile " + strings.Join(names, " and ")
}

// suffer lets a step happen, and returns when all is whole again.
func (s *storm) suffer(x step) {
	var beside sync.WaitGroup
	beside.Go(func() {
		for _, b := range x.beside {
			s.pass(time.Duration(b.random.Int64N(int64(2 * time.Second))))
			b.do(s, b.random)
		}
	})
	x.do(s, x.random)
	beside.Wait()
}

func (s *storm) anEnricher(random *rand.Rand) *enricher {
	return s.enrichers[random.IntN(len(s.enrichers))]
}
func (s *storm) anIngest(random *rand.Rand) *ingestProcess {
	return s.ingests[random.IntN(len(s.ingests))]
}
func (s *storm) aServer(random *rand.Rand) *natsServer {
	return s.cluster.servers[random.IntN(len(s.cluster.servers))]
}

// replace ends one enricher and starts it again.
func (s *storm) replace(random *rand.Rand, end func(*enricher)) {
	i := random.IntN(len(s.enrichers))
	end(s.enrichers[i])
	s.enrichers[i] = s.startEnricher(s.t, s.enrichers[i].link, nil)
}

func (s *storm) restartServer(random *rand.Rand) {
	n := s.aServer(random)
	n.stop()
	s.flow()
	s.startAgain(n)
}

func (s *storm) killServer(random *rand.Rand) {
	n := s.aServer(random)
	n.kill()
	s.flow()
	s.startAgain(n)
}

// killLeader kills the server that leads what. In one of two cases it comes back only after another leads in its place, which takes some seconds.
func (s *storm) killLeader(what led, random *rand.Rand) {
	n := s.cluster.leader(what)
	n.kill()
	if random.IntN(2) == 0 {
		s.cluster.leader(what)
	}
	s.flow()
	s.startAgain(n)
}

func (s *storm) startAgain(n *natsServer) {
	n.start()
	must(s.t, "the cluster is healthy again", s.cluster.healthy)
}

// blackout leaves no server, for a while in which every webhook goes to an outbox.
func (s *storm) blackout(*rand.Rand) {
	s.cluster.killAll()
	s.flow()
	s.cluster.startAll()
}

func (s *storm) freezeLink(random *rand.Rand) {
	e := s.anEnricher(random)
	e.link.freeze()
	defer e.link.thaw()
	s.pass(s.ackWait + s.ackWait/3)
}

func (s *storm) freezeTasks(random *rand.Rand) {
	e := s.anEnricher(random)
	e.gate.close()
	defer e.gate.open()
	s.pass(s.ackWait + s.ackWait/3)
}

func (s *storm) cutOff(random *rand.Rand) {
	p := s.anIngest(random)
	p.link.cut()
	defer p.link.mend()
	s.flow()
}

func (s *storm) outage(*rand.Rand) {
	s.weather.out.Store(true)
	defer s.weather.out.Store(false)
	s.flow()
}

// pass lets d pass: a fault is its length.
func (s *storm) pass(d time.Duration) {
	end := time.NewTimer(d)
	defer end.Stop()
	<-end.C
}

// flow waits until some more webhooks are answered, if that is possible in the state that things are in.
func (s *storm) flow() {
	target := s.crowd.answered.Load() + 50
	_ = eventually(4*time.Second, func() bool { return s.crowd.answered.Load() >= target })
}
