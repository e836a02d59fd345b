package chaos

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/rollcall-events/rollcall/internal/broker"
)

// sick is a way through a toxiproxy.
type sick struct {
	t     *testing.T
	proxy *toxiproxy.Proxy
}

func newSick(t *testing.T, upstream string) *sick {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", upstream)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return &sick{t, p}
}

func (s *sick) address() string { return s.proxy.Listen }

// toxic is something that a network does to what it carries.
type toxic struct {
	name       string
	kind       string // toxiproxy's
	attributes string // toxiproxy's, as JSON
	rounds     int    // how often it comes and goes
}

// toxics are in the order of how long they take, the longest first.
var toxics = []toxic{
	{"silent", "timeout", `{"timeout":0}`, 1},                                             // nothing passes, nothing is closed: half open
	{"reset", "reset_peer", `{"timeout":50}`, 3},                                          // ms after the first byte
	{"narrow", "bandwidth", `{"rate":RATE}`, 1},                                           // KB/s, the way's own
	{"late and unevenly so", "latency", `{"latency":120,"jitter":60}`, 1},                 // ms
	{"in slices", "slicer", `{"average_size":SLICE,"size_variation":12,"delay":2000}`, 1}, // bytes, the way's own; µs between two
}

// begin makes the network do it in both directions of w.
func (s *sick) begin(x toxic, w way) {
	s.t.Helper()
	attributes := strings.NewReplacer("RATE", strconv.Itoa(w.rate), "SLICE", strconv.Itoa(w.slice)).Replace(x.attributes)
	for _, stream := range []string{"upstream", "downstream"} {
		spec := fmt.Sprintf(`{"name":%q,"type":%q,"stream":%q,"attributes":%s}`, stream, x.kind, stream, attributes)
		if _, err := s.proxy.Toxics.AddToxicJson(strings.NewReader(spec)); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *sick) end() { s.proxy.Toxics.ResetToxics(context.Background()) }

// course is the pipeline with one sick way in it.
type course struct {
	*rig
	way      *sick
	ingest   *ingestProcess
	enricher *enricher
	figures  string // for people
}

// way is one that can be sick, and how to tell.
type way struct {
	name  string
	start func(*testing.T, *rig) *course
	rate  int             // KB/s when it is narrow
	slice int             // bytes when it is in slices: some 500 of them pass in a second
	signs map[string]sign // of each toxic that it had an effect
}

// sign is what the figures of a process show of a toxic.
type sign func(*course) bool

func ingestIs(s func(figures) bool) sign {
	return func(c *course) bool { return s(figures{c.ingest.figures}) }
}
func enricherIs(s func(figures) bool) sign {
	return func(c *course) bool { return s(figures{c.enricher.figures}) }
}

var ways = []way{
	{"from ingest to NATS", ingestToNATS, 4, 24, map[string]sign{
		"latency":    ingestIs(slowerThan(.128, "rollcall_nats_publish_seconds")),
		"bandwidth":  ingestIs(counts("rollcall_outbox_kept_total")),
		"reset_peer": ingestIs(isDisconnected),
		"timeout":    ingestIs(isDisconnected),
		"slicer":     ingestIs(slowerThan(.064, "rollcall_nats_publish_seconds")),
	}},
	// Through much less the tasks that are pulled at once do not come within AckWait, for ever: they are delivered again and again, until
	// no answer to the enricher's pings gets through, and it gives up the connection. Toxiproxy's slicer does not outlast that: it
	// goes on handing slices to who has ended, and stays.
	{"from enricher to NATS", enricherToNATS, 48, 240, map[string]sign{
		"latency":    enricherIs(slowerThan(.128, "rollcall_nats_publish_seconds")),
		"bandwidth":  enricherIs(slowerThan(.064, "rollcall_nats_publish_seconds")),
		"reset_peer": enricherIs(isDisconnected),
		"timeout":    enricherIs(isDisconnected),
		"slicer":     enricherIs(slowerThan(.064, "rollcall_nats_publish_seconds")),
	}},
	{"from enricher to Twilio", enricherToTwilio, 4, 24, map[string]sign{
		"latency":    enricherIs(slowerThan(.1, "rollcall_enrich_call_duration_seconds")),
		"bandwidth":  enricherIs(slowerThan(.1, "rollcall_enrich_call_duration_seconds")),
		"reset_peer": enricherIs(hasFailedCalls),
		"timeout":    enricherIs(hasFailedCalls),
		"slicer":     enricherIs(slowerThan(.05, "rollcall_enrich_call_duration_seconds")),
	}},
}

func ingestToNATS(t *testing.T, r *rig) *course {
	t.Helper()
	s := newSick(t, r.cluster.address())
	return &course{
		rig: r, way: s, ingest: r.newIngestOn(t, newLink(t, s.address)), enricher: r.startEnricher(t, newLink(t, r.cluster.address), nil),
	}
}

func enricherToNATS(t *testing.T, r *rig) *course {
	t.Helper()
	s := newSick(t, r.cluster.address())
	return &course{rig: r, way: s, ingest: r.newIngest(t), enricher: r.startEnricher(t, newLink(t, s.address), nil)}
}

func enricherToTwilio(t *testing.T, r *rig) *course {
	t.Helper()
	s := newSick(t, strings.TrimPrefix(r.twilioURL, "http://"))
	r.twilioURL = "http://" + s.address()
	return &course{rig: r, way: s, ingest: r.newIngest(t), enricher: r.startEnricher(t, newLink(t, r.cluster.address), nil)}
}

// coursesAtOnce is how many of the courses go on at a time: they mostly wait.
const coursesAtOnce = 5

// Each way is late, narrow, reset, silent and in slices in turn, while webhooks come in. All of them are answered 200
// at once, and when the way is well again everything comes out as it must.
func TestNothingIsLostOnASickNetwork(t *testing.T) {
	slots := make(chan struct{}, coursesAtOnce)
	var all sync.WaitGroup
	for _, x := range toxics {
		for _, w := range ways {
			all.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				t.Run(strings.ReplaceAll(w.name+" "+x.name, " ", "-"), func(t *testing.T) { w.suffer(t, x) })
			})
		}
	}
	all.Wait()
}

func (w way) suffer(t *testing.T, x toxic) {
	t.Helper()
	if testing.Short() && x.kind == "timeout" {
		t.Skipf("not tested with -short, since it takes half a minute until a silent connection is given up: %s", t.Name())
	}
	began := time.Now()
	c := w.start(t, newRig(t, 1, broker.Topology{Partitions: 2, AckWait: ackWait}))
	crowd := newCrowd(t, c.rig, c.ingest)
	said := sickTalks()
	done := crowd.begin(said)
	share := total(said) / (x.rounds + 2)
	crowd.let(share)
	must(t, "events come out", func() bool { return c.messages("ROLLCALL_ENRICHED") > 0 })
	for range x.rounds {
		c.way.begin(x, w)
		crowd.let(share)
		must(t, "the way is found to be "+x.name, func() bool { return w.signs[x.kind](c) })
		c.way.end()
		must(t, "the way is found to be well again", func() bool {
			return !isDisconnected(figures{c.ingest.figures}) && !isDisconnected(figures{c.enricher.figures})
		})
	}
	crowd.let(total(said))
	must(t, "all is answered", func() bool { return isClosed(done) })
	c.settle(patience)
	settled := time.Since(began)
	c.note(settled)
	c.enricher.end()
	c.ingest.stop()
	c.conclude(total(said))
}

// sickTalks are 12 conversations of 25 messages each.
func sickTalks() (all []talk) {
	for i := range 12 {
		all = append(all, talk{Talk: named(fmt.Sprint(i)), events: 25, known: true})
	}
	return all
}

// note takes down the figures of the processes, which do not outlive them.
func (c *course) note(settled time.Duration) {
	ingest, enricher := figures{c.ingest.figures}, figures{c.enricher.figures}
	c.figures = fmt.Sprintf("%.0f went to the outbox, ingest connected again %.0f times, enricher %.0f; %.0f tasks came again; all out after %.1f s",
		ingest.sum("rollcall_outbox_kept_total"), ingest.sum("rollcall_nats_reconnects_total"), enricher.sum("rollcall_nats_reconnects_total"),
		enricher.sum("rollcall_nats_tasks_total", "redelivered"), settled.Seconds())
}

func (c *course) conclude(want int) {
	c.t.Helper()
	v := c.judge()
	c.t.Logf("%s: %d webhooks, answers %v; %d owed, %d enriched, %d dead, %d lost, %d twice, %d out of order; %.2f calls an event; %s",
		c.t.Name(), v.Sent, v.Answers, v.Owed, v.Enriched, v.Dead, v.Lost, v.Twice, v.OutOfOrder, float64(c.calls())/float64(max(1, v.Enriched)), c.figures)
	if err := v.Err(); err != nil {
		c.t.Error(err)
	}
	if v.Enriched != want || v.Dead != 0 {
		c.t.Errorf("got %d enriched and %d dead, want %d and 0", v.Enriched, v.Dead, want)
	}
	// The forged ones are answered 403, and every other one 200 the first time that it is sent.
	if sent := want + v.Answers[http.StatusForbidden]; v.Sent != sent || v.Answers[http.StatusOK] != want {
		c.t.Errorf("got %d webhooks with answers %v, want %d answers 200 at the first try", v.Sent, v.Answers, want)
	}
}
