package chaos

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/credentials"
	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

const (
	ackWait = 3 * time.Second
	// patience is how long nothing may come out before a run is given up. A server whose request for QUEUE's source
	// is lost while RAW has no leader asks again after 40 s (nats-server 2.15: 30 s for the answer, then a back-off of 10 s).
	patience = 2 * time.Minute
	owner    = validation.SID("AC00000000000000000000000000000001")
)

var token = validation.NewSecret("the token that signs and calls")

// streams are those that the ledger reads, in the order in which it wants them: of each the subjects of its stage.
var streams = []struct {
	stage events.Stage
	name  string
}{{events.StageRaw, "ROLLCALL_RAW"}, {events.StageEnriched, "ROLLCALL_ENRICHED"}, {events.StageDead, "ROLLCALL_DEAD"}}

// allOf is every subject of a stage.
func allOf(stage events.Stage) string { return "rollcall." + string(stage) + ".>" }

// rig is all that the processes share: the servers, the fake Twilio, the accounts and the ledger.
type rig struct {
	t         testing.TB
	cluster   *cluster
	world     *sandbox.World
	twilio    *sandbox.Twilio
	weather   *weather
	ackWait   time.Duration // 0 is the default
	audited   bool          // the enrichers look for what is lost; without that the ledger alone does
	twilioURL string
	book      *credentials.Book
	ledger    *sandbox.Ledger
	js        jetstream.JetStream // of the test's own, past all links
}

func newRig(tb testing.TB, servers int, topology broker.Topology) *rig {
	tb.Helper()
	r := &rig{t: tb, ackWait: topology.AckWait, cluster: startCluster(tb, servers), ledger: sandbox.NewLedger()}
	r.world = sandbox.NewWorld(sandbox.State{})
	r.world.Change(func(s *sandbox.State) { s.AddAccount(sandbox.Account{SID: owner, AuthToken: token.Reveal()}) })
	r.twilio = sandbox.NewTwilio(r.world)
	r.weather = &weather{twilio: r.twilio}
	r.weather.seed(*seed)
	server := httptest.NewServer(r.weather)
	tb.Cleanup(server.Close)
	r.twilioURL = server.URL
	var err error
	r.book, err = credentials.Fixed(credentials.Account{
		SID: owner, SigningKeys: []validation.Secret{token}, API: &participants.Credentials{Username: string(owner), Password: token},
	})
	if err != nil {
		tb.Fatal(err)
	}
	r.connect()
	r.provision(topology)
	return r
}

// connect connects to every server, so that what is asked is answered as soon as one can.
func (r *rig) connect() {
	r.t.Helper()
	var urls []string
	for _, o := range r.cluster.opts {
		urls = append(urls, "nats://"+net.JoinHostPort(o.Host, strconv.Itoa(o.Port)))
	}
	nc, err := nats.Connect(strings.Join(urls, ","), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(nc.Close)
	if r.js, err = jetstream.New(nc); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) provision(topology broker.Topology) {
	r.t.Helper()
	conn, err := broker.Connect(context.Background(), broker.Config{URL: "nats://" + r.cluster.address(), Name: "provisioner", Role: broker.RoleProvisioner, Log: logger()})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var last error
	if !eventually(time.Minute, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		last = conn.Provision(ctx, topology)
		return last == nil
	}) {
		r.t.Fatalf("provision: %v", last)
	}
}

// messages returns how many messages a stream holds; -1 when nobody can say just now.
func (r *rig) messages(stream string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	s, err := r.js.Stream(ctx, stream)
	if err != nil {
		return -1
	}
	return int(s.CachedInfo().State.Msgs)
}

// count returns how many messages there are of a stage, whatever else its stream holds; -1 when nobody can say just now.
func (r *rig) count(stage events.Stage) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	s, err := r.js.Stream(ctx, "ROLLCALL_"+strings.ToUpper(string(stage)))
	if err != nil {
		return -1
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(allOf(stage)))
	if err != nil {
		return -1
	}
	sum := 0
	for _, n := range info.State.Subjects {
		sum += int(n)
	}
	return sum
}

// settled reports whether as much has come out as is owed. Whether it is the right thing is for the ledger to say.
func (r *rig) settled() bool {
	enriched, dead := r.count(events.StageEnriched), r.count(events.StageDead)
	return enriched >= 0 && dead >= 0 && enriched+dead >= r.ledger.Owed() && r.messages("ROLLCALL_QUEUE") == 0
}

// settle waits for that, for as long as something still comes out.
func (r *rig) settle(patience time.Duration) {
	best, since, told := 0, time.Now(), time.Now()
	_ = eventually(10*time.Minute, func() bool {
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			r.t.Logf("waiting: %s", r.state())
		}
		if n := r.count(events.StageEnriched) + r.count(events.StageDead); n > best {
			best, since = n, time.Now()
		}
		return r.settled() || time.Since(since) > patience
	})
}

// judge gives the ledger all that the streams hold. Everything that could still store something must have ended.
func (r *rig) judge() sandbox.Verdict {
	r.t.Helper()
	must(r.t, "the cluster is whole", r.cluster.healthy)
	for _, s := range streams {
		r.read(s.stage, s.name)
	}
	return r.ledger.Judge()
}

func (r *rig) read(stage events.Stage, name string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stream, err := r.js.Stream(ctx, name)
	if err != nil {
		r.t.Fatal(err)
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		FilterSubject: allOf(stage), AckPolicy: jetstream.AckNonePolicy, Replicas: 1, MemoryStorage: true,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	want := r.count(stage)
	for n := 0; n < want; {
		batch, err := consumer.Fetch(min(1000, want-n), jetstream.FetchMaxWait(10*time.Second))
		if err != nil {
			r.t.Fatal(err)
		}
		for m := range batch.Messages() {
			r.ledger.Stored(stage, m.Data())
			n++
		}
		if ctx.Err() != nil {
			r.t.Fatalf("read %s: got %d messages, want %d", name, n, want)
		}
	}
}

// state is how far things are, for people.
func (r *rig) state() string {
	return fmt.Sprintf("%d owed, %d raw, QUEUE %d, %d enriched, %d dead, %d calls", r.ledger.Owed(),
		r.count(events.StageRaw), r.messages("ROLLCALL_QUEUE"), r.count(events.StageEnriched), r.count(events.StageDead), r.calls())
}

// calls returns how many requests Twilio was sent.
func (r *rig) calls() (n int) {
	for _, c := range r.twilio.Calls() {
		n += c
	}
	return n
}
