package containers

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go/wait"
)

const (
	// outageLength is longer than the two minutes after which a client of NATS gives up unless it is told otherwise.
	outageLength = 190 * time.Second
	// followsWithin is how soon after its start a server gives QUEUE what RAW has: it asks for it at once, and once more 12 s later.
	followsWithin = 15 * time.Second
	// asksAtOnce is by when QUEUE follows RAW if the first time was enough.
	asksAtOnce = 5 * time.Second
)

// NATS is gone for longer than its clients try to connect by default. Every webhook is answered 2xx meanwhile,
// nobody claims to be ready, nobody dies, and soon after NATS is back all is as it was.
func TestNATSIsAwayForMinutes(t *testing.T) {
	if testing.Short() {
		t.Skipf("not tested with -short, since it takes more than %s: %s", outageLength, t.Name())
	}
	needsImages(t)
	t.Parallel()
	s := startStackOf(t, 1)
	r := startTrial(t, s, 10, time.Second)
	first := time.Now()
	nats := s.nats.GetContainerID()
	r.do("kill", "--signal", "KILL", nats)
	began := time.Now()
	r.last(outageLength)
	owed := r.crowd.ledger.Owed()
	ending := time.Now()
	r.do("start", nats)
	if err := wait.ForHTTP("/healthz").WithPort("8222/tcp").WithPollInterval(50*time.Millisecond).WaitUntilReady(t.Context(), s.nats); err != nil {
		t.Fatalf("NATS is not back: %v", err)
	}
	healthy := time.Now()
	r.crowd.begin()
	r.must("QUEUE follows RAW", r.judge.queueFollows)
	back := time.Now()
	r.note("away for %s, healthy %s after its start, QUEUE follows RAW %s later, %d events owed by then",
		seconds(ending.Sub(began)), seconds(healthy.Sub(ending)), seconds(back.Sub(healthy)), owed)

	r.recovered(healthy, greenWithin)
	r.checkRecovery(healthy, back)
	for _, part := range r.parts() {
		r.checkRed(part, began, ending)
		if looks := r.watches[part].live.between(first, time.Time{}); slices.ContainsFunc(looks, func(l look) bool { return !l.isGreen() }) {
			t.Errorf("%s was not live all the time", part)
		}
	}
	r.conclude(http.StatusOK)
}

// checkRecovery checks that everything works again, now, soon enough after NATS was healthy. Where the server had to ask RAW twice for what QUEUE
// lacks, the time counts from then on, and that must have been soon enough as well.
func (r *trial) checkRecovery(healthy, follows time.Time) {
	r.t.Helper()
	from := healthy
	if late := follows.Sub(healthy); late > asksAtOnce {
		from = follows
		if late > followsWithin {
			r.t.Errorf("QUEUE followed RAW %s after NATS was healthy, want within %s", seconds(late), followsWithin)
		}
	}
	if took := time.Since(from); took > recoveryWithin {
		r.t.Errorf("everything worked again %s after NATS was back, want within %s", seconds(took), recoveryWithin)
	}
}

// What ingest has answered 2xx while NATS was away outlives ingest itself.
func TestWhatWaitsInTheOutboxOutlivesIngest(t *testing.T) {
	needsImages(t)
	t.Parallel()
	s := startStackOf(t, 1)
	r := startTrial(t, s, 12, 250*time.Millisecond)
	r.do("kill", "--signal", "KILL", s.nats.GetContainerID())
	before := r.crowd.ledger.Owed()
	r.must("webhooks are answered", func() bool { return r.crowd.ledger.Owed() >= before+100 })
	r.do("kill", "--signal", "KILL", s.ingest.GetContainerID())
	r.note("%d answered while NATS was away", r.crowd.ledger.Owed()-before)
	r.do("start", s.nats.GetContainerID())
	r.must("NATS is back without them", func() bool {
		raw := r.judge.messages("ROLLCALL_RAW")
		return raw >= 0 && raw < r.crowd.ledger.Owed()-50
	})
	r.do("start", s.ingest.GetContainerID())
	r.recovered(time.Now(), greenWithin)
	r.conclude(0, http.StatusOK)
}
