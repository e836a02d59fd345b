package containers

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
)

const (
	// faultLength is how long a fault lasts: longer than the time after which NATS takes an enricher for dead.
	faultLength = 8 * time.Second
	faultAck    = "ROLLCALL_ACK_WAIT=5s"
	// trialsAtOnce is how many stacks are under faults at a time.
	trialsAtOnce = 3
)

// fault is what befalls a container.
type fault struct {
	name       string
	begin, end func(*trial, part)
	green      time.Duration // how soon after its end every part is ready
}

// part is a container that a fault befalls.
type part struct {
	name string // on the network
	testcontainers.Container
}

var faults = []fault{
	{
		"killed",
		func(r *trial, p part) { r.do("kill", "--signal", "KILL", p.GetContainerID()) },
		func(r *trial, p part) { r.do("start", p.GetContainerID()) },
		greenWithin,
	},
	{
		"paused",
		func(r *trial, p part) {
			r.t.Cleanup(func() { // should the trial end meanwhile: what is paused cannot be stopped
				_, _ = docker(context.WithoutCancel(r.t.Context()), "unpause", p.GetContainerID())
			})
			r.do("pause", p.GetContainerID())
		},
		func(r *trial, p part) { r.do("unpause", p.GetContainerID()) },
		greenWithin,
	},
	{
		"cut off",
		func(r *trial, p part) { r.do("network", "disconnect", r.back.Name, p.GetContainerID()) },
		func(r *trial, p part) {
			r.do("network", "connect", "--alias", p.name, r.back.Name, p.GetContainerID())
		},
		// A connection that outlives it carries nothing until TCP next tries: it doubles its waits, so that the one
		// that has begun may be as long as all before.
		greenWithin + faultLength,
	},
}

// target is a part that faults befall, and what is expected meanwhile.
type target struct {
	name      string
	enrichers int
	part      func(*stack) part
	red       []string // who cannot do its work
}

var targets = []target{
	{"nats", 1, func(s *stack) part { return part{"nats", s.nats} }, []string{"enricher 1", "ingest"}},
	{"ingest", 1, func(s *stack) part { return part{"ingest", s.ingest} }, []string{"ingest"}},
	{"enricher", 2, func(s *stack) part { return part{"enricher", s.enrichers[0]} }, []string{"enricher 1"}},
}

// Each part in turn is killed, paused and cut off from the others for longer than the time after which NATS takes an
// enricher for dead, under steady webhooks. Those are answered all the while, unless it is ingest that is not there; then they are
// sent again. Nothing is lost, twice or out of order, and whoever cannot work says so.
func TestNothingIsLostWhenAPartFails(t *testing.T) {
	needsImages(t)
	t.Parallel()
	slots := make(chan struct{}, trialsAtOnce)
	var all sync.WaitGroup
	for _, target := range targets {
		for _, fault := range faults {
			all.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				// Not by t.Parallel, whose limit is the number of processors: a trial mostly waits.
				t.Run(target.name+" "+strings.ReplaceAll(fault.name, " ", "-"), func(t *testing.T) { target.suffer(t, fault) })
			})
		}
	}
	all.Wait()
}

func (target target) suffer(t *testing.T, fault fault) {
	t.Helper()
	s := startStackOf(t, target.enrichers, faultAck)
	r := startTrial(t, s, 12, 250*time.Millisecond)
	p := target.part(s)
	fault.begin(r, p)
	began := time.Now()
	r.last(faultLength)
	ending := time.Now()
	fault.end(r, p)
	ended := time.Now()
	r.recovered(ended, fault.green)
	for _, part := range r.parts() {
		if slices.Contains(target.red, part) {
			r.checkRed(part, began, ending)
		} else {
			r.checkGreen(part, began, ended)
		}
	}
	if target.name == "ingest" && fault.name != "cut off" {
		r.conclude(0, http.StatusOK)
		return
	}
	r.conclude(http.StatusOK)
}
