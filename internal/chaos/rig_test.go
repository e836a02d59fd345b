package chaos

import (
	"context"
	"fmt"
	"net/http/httptest"
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

// stages are those that the ledger reads, in the order in which it wants them.
var stages = []events.Stage{events.StageRaw, events.StageEnriched, events.StageDead}

// stageBuried is that of the burials, which are in ENRICHED.
const stageBuried events.Stage = "buried"

// streamOf returns the name of the stream that holds a stage.
func streamOf(stage events.Stage) string {
	if stage == stageBuried {
		stage = events.StageEnriched
	}
	return "ROLLCALL_" + strings.ToUpper(string(stage))
}

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
	base      map[string]uint64   // the last message of each stream before what is judged; none for all of it
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
	nc, err := nats.Connect(r.cluster.urls(), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
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

// count returns how many events of a stage there are since base; -1 when nobody can say just now. How many messages its stream holds would
// not tell: they age, and there are others.
func (r *rig) count(stage events.Stage) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := r.reader(ctx, stage)
	if err != nil {
		return -1
	}
	_ = r.js.DeleteConsumer(ctx, streamOf(stage), c.CachedInfo().Name)
	return int(c.CachedInfo().NumPending)
}

// settle waits until as much has come out as is owed, for as long as something still comes out. Whether it is the right thing is for the
// ledger to say.
func (r *rig) settle(patience time.Duration) { r.settleBy(r.ledger, patience) }

func (r *rig) settleBy(ledger *sandbox.Ledger, patience time.Duration) {
	best, since, told := -1, time.Now(), time.Now()
	_ = eventually(10*time.Minute, func() bool {
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			r.t.Logf("waiting: %s", r.state())
		}
		enriched, dead := r.count(events.StageEnriched), r.count(events.StageDead)
		if enriched+dead > best {
			best, since = enriched+dead, time.Now()
		}
		return enriched >= 0 && dead >= 0 && enriched+dead >= ledger.Owed() && r.messages("ROLLCALL_QUEUE") == 0 || time.Since(since) > patience
	})
}

// judge gives the ledger all that the streams hold. Everything that could still store something must have ended.
func (r *rig) judge() sandbox.Verdict {
	r.t.Helper()
	return r.judgeBy(r.ledger)
}

func (r *rig) judgeBy(ledger *sandbox.Ledger) sandbox.Verdict {
	r.t.Helper()
	must(r.t, "the cluster is whole", r.cluster.healthy)
	for _, stage := range stages {
		r.each(stage, func(m jetstream.Msg) { ledger.Stored(stage, m.Data()) })
	}
	return ledger.Judge()
}

// each hands over every message of a stage that its stream was given since base.
func (r *rig) each(stage events.Stage, take func(jetstream.Msg)) {
	r.t.Helper()
	name := streamOf(stage)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r.unaged(ctx, name)
	consumer, err := r.reader(ctx, stage)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = r.js.DeleteConsumer(ctx, name, consumer.CachedInfo().Name) }()
	want := int(consumer.CachedInfo().NumPending)
	for n := 0; n < want; {
		batch, err := consumer.Fetch(min(1000, want-n), jetstream.FetchMaxWait(10*time.Second))
		if err != nil {
			r.t.Fatal(err)
		}
		for m := range batch.Messages() {
			take(m)
			n++
		}
		if ctx.Err() != nil {
			r.t.Fatalf("read %s: got %d messages, want %d", name, n, want)
		}
	}
}

// reader reads what a stream was given of a stage since base.
func (r *rig) reader(ctx context.Context, stage events.Stage) (jetstream.Consumer, error) {
	name := streamOf(stage)
	return r.js.CreateConsumer(ctx, name, jetstream.ConsumerConfig{
		FilterSubject: events.Pattern(stage, "", "", "", ""), AckPolicy: jetstream.AckNonePolicy, Replicas: 1, MemoryStorage: true,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: r.base[name] + 1,
	})
}

// unaged ends the test when the stream has let go of something that is still to be judged.
func (r *rig) unaged(ctx context.Context, name string) {
	r.t.Helper()
	stream, err := r.js.Stream(ctx, name)
	if err != nil {
		r.t.Fatal(err)
	}
	if state := stream.CachedInfo().State; state.LastSeq > r.base[name] && state.FirstSeq > r.base[name]+1 {
		r.t.Fatalf("%s begins at %d, and the slice at %d: what was to be judged has aged; take shorter slices or fewer webhooks",
			name, state.FirstSeq, r.base[name]+1)
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
