package bench

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/internal/load"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// connections is how many there are to ingest, to the bare Echo, and how many publishers.
const connections = 64

// The figures of ingest.
const (
	figureEcho        = "bare Echo, requests/s"
	figureEchoP99     = "bare Echo p99 at the rate of ingest's, ms"
	figurePublish     = "raw publish, messages/s"
	figurePublishP99  = "raw publish p99 at that rate, ms"
	figurePublishP50  = "raw publish p50 at that rate, ms"
	figureDeployed    = "raw publish to RAW with QUEUE behind it, messages/s"
	figureDeployedP99 = "raw publish p99 to RAW with QUEUE behind it, ms"
	figureDeployedP50 = "raw publish p50 to RAW with QUEUE behind it, ms"
	figureIngest      = "ingest, webhooks/s"
	figureIngestP99   = "ingest p99 at half its rate, ms"
	figureIngestP50   = "ingest p50 at half its rate, ms"
	figureIngestCPU   = "ingest, processor time per webhook, us"
	figureNATSCPU     = "NATS, processor time per webhook, us"
)

// published names the figures of a publisher, as fast as it can and at half of ingest's rate, and the latter in a plot.
type published struct{ rate, p50, p99, plotted string }

var (
	publishedAlone    = published{figurePublish, figurePublishP50, figurePublishP99, "raw publish at the same rate"}
	publishedDeployed = published{figureDeployed, figureDeployedP50, figureDeployedP99, "the same to RAW with QUEUE behind it"}
)

// form is a webhook of about 1 KB, as the goal has it.
func form(conversations int) load.TrafficConfig {
	return load.TrafficConfig{Conversations: conversations, Participants: 2, Mix: load.MessagesAlone, MessageBytes: 1024, Seed: 1}
}

// ingest measures ingest against what it is made of: an Echo that answers, and a publisher.
func (b *Bench) ingest(ctx context.Context, m mode) error {
	rate, err := b.wholeIngest(ctx, m)
	if err != nil {
		return fmt.Errorf("measure ingest: %w", err)
	}
	if m == defaultSync { // NATS has no part in it
		if err := b.bareEcho(ctx, rate/2); err != nil {
			return fmt.Errorf("measure a bare Echo: %w", err)
		}
	}
	if err := b.rawPublish(ctx, m, publishedAlone, rate/2); err != nil {
		return fmt.Errorf("measure raw publish: %w", err)
	}
	if err := b.rawPublish(ctx, m, publishedDeployed, rate/2); err != nil {
		return fmt.Errorf("measure raw publish to RAW: %w", err)
	}
	return nil
}

// bareEcho measures an Echo that only answers, as fast as it can and at a rate.
func (b *Bench) bareEcho(ctx context.Context, rate float64) error {
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	p, err := b.start("bare-echo", benchProgram, []string{"bare-echo", "--listen", address})
	if err != nil {
		return err
	}
	defer p.stop()
	if err := p.ready(ctx, listens(address)); err != nil {
		return err
	}
	cfg := form(b.size.most)
	cfg.Cast = sandbox.NewCast(owner())
	whole := posting{name: figureEcho, url: "http://" + address, traffic: load.NewTraffic(cfg), n: b.size.webhooks[defaultSync]}
	result, _, err := b.post(ctx, whole)
	if err != nil {
		return err
	}
	for _, m := range modes() {
		b.found(m, figureEcho, result.Rate)
	}
	calm := whole
	calm.name, calm.rate, calm.n = figureEchoP99, rate, int(rate*b.size.open.Seconds())
	result, _, err = b.post(ctx, calm)
	if err != nil {
		return err
	}
	b.found(defaultSync, figureEchoP99, result.Latency.P99)
	return nil
}

// posting is a run of signed webhooks.
type posting struct {
	name, url string
	traffic   *load.Traffic
	n         int
	rate      float64 // 0 for a closed loop
}

// post sends n webhooks that are signed before the first is sent, after a tenth as many to warm up. All of them are noted.
func (b *Bench) post(ctx context.Context, p posting) (load.Result, []load.Note, error) {
	clients, err := load.NewConnections(p.url, connections)
	if err != nil {
		return load.Result{}, nil, err
	}
	defer clients.Close()
	source := load.Source{Traffic: p.traffic, Schedule: load.NewSchedule(0, 1), Target: load.Target{URL: p.url, Key: token}}
	warm, err := source.Prepare(ctx, p.n/10)
	if err != nil {
		return load.Result{}, nil, err
	}
	source.Schedule = load.NewSchedule(p.rate, 1)
	shots, err := source.Prepare(ctx, p.n)
	if err != nil {
		return load.Result{}, nil, err
	}
	_, early := load.Plan{Workers: connections, Shots: warm, Do: clients.Post}.Run(ctx)
	result, notes := load.Plan{Name: p.name, Workers: connections, Rate: p.rate, Shots: shots, Do: clients.Post, Every: b.every()}.Run(ctx)
	if result.Failed > 0 {
		return result, nil, fmt.Errorf("%s: %d of %d had no 2xx (%v)", p.name, result.Failed, result.Done, result.Answers)
	}
	return result, append(after(early, notes), notes...), ctx.Err()
}

// after moves what came before the notes to before their beginning.
func after(early, notes []load.Note) []load.Note {
	var end time.Duration
	for _, n := range early {
		end = max(end, n.Completed)
	}
	for i := range notes {
		notes[i].Sent += end
		notes[i].Completed += end
	}
	return early
}

// every is how often a point of a plot is taken.
func (b *Bench) every() time.Duration {
	if b.cfg.Short {
		return 100 * time.Millisecond
	}
	return 500 * time.Millisecond
}

// wholeIngest measures ingest as fast as it goes and at half of that, and returns how fast that was.
func (b *Bench) wholeIngest(ctx context.Context, m mode) (rate float64, err error) {
	r, err := b.startRig(ctx, bool(m), 0, form(b.size.most))
	if err != nil {
		return 0, err
	}
	defer r.close()
	if err := r.startIngest(ctx); err != nil {
		return 0, err
	}
	before, err := r.cpu()
	if err != nil {
		return 0, err
	}
	fast, notes, err := b.post(ctx, posting{name: "ingest, " + m.String(), url: r.ingestURL, traffic: r.traffic, n: b.size.webhooks[m]})
	if err != nil {
		return 0, err
	}
	load.Enter(r.ledger, notes)
	if err := b.foundCPU(r, m, before, float64(len(notes))); err != nil {
		return 0, err
	}
	b.found(m, figureIngest, fast.Rate)
	half := posting{
		name: "ingest at half its rate, " + m.String(), url: r.ingestURL, traffic: r.traffic, rate: fast.Rate / 2,
		n: int(fast.Rate / 2 * b.size.open.Seconds()),
	}
	calm, notes, err := b.post(ctx, half)
	if err != nil {
		return 0, err
	}
	load.Enter(r.ledger, notes)
	b.found(m, figureIngestP50, calm.Latency.P50)
	b.found(m, figureIngestP99, calm.Latency.P99)
	b.keep(fast, calm)
	return fast.Rate, r.settle(ctx)
}

// foundCPU notes what n webhooks have cost.
func (b *Bench) foundCPU(r *rig, m mode, before cpu, n float64) error {
	now, err := r.cpu()
	if err != nil {
		return err
	}
	b.found(m, figureIngestCPU, float64((now.ingest-before.ingest).Microseconds())/n)
	b.found(m, figureNATSCPU, float64((now.nats-before.nats).Microseconds())/n)
	return nil
}

// rawPublish measures publishers that do what ingest does with NATS and nothing else, as fast as they can and at a rate.
func (b *Bench) rawPublish(ctx context.Context, m mode, figures published, rate float64) error {
	r, err := b.publishRig(ctx, m, figures)
	if err != nil {
		return err
	}
	defer r.close()
	cfg := form(b.size.most)
	cfg.Cast = sandbox.NewCast(owner())
	traffic := load.NewTraffic(cfg)
	n := b.size.webhooks[m]
	if _, err := b.publish(ctx, r, traffic, n/10, 0, figures.rate); err != nil { // to warm up
		return err
	}
	result, err := b.publish(ctx, r, traffic, n, 0, figures.rate)
	if err != nil {
		return err
	}
	b.found(m, figures.rate, result.Rate)
	calm, err := b.publish(ctx, r, traffic, int(rate*b.size.open.Seconds()), rate, figures.plotted+", "+m.String())
	if err != nil {
		return err
	}
	b.found(m, figures.p50, calm.Latency.P50)
	b.found(m, figures.p99, calm.Latency.P99)
	b.keep(calm)
	return nil
}

// publishRig has one stream that is as RAW is but feeds no other, or the streams of production.
func (b *Bench) publishRig(ctx context.Context, m mode, figures published) (*rig, error) {
	if figures == publishedDeployed {
		return b.startRig(ctx, bool(m), 0, form(b.size.most))
	}
	r, err := b.startNATS(ctx, bool(m))
	if err != nil {
		return nil, err
	}
	_, err = r.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "BENCH", Subjects: []string{"rollcall.raw.>"}, Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew,
		MaxAge: 7 * 24 * time.Hour, Duplicates: 4*time.Hour + 15*time.Minute, AllowDirect: true, Replicas: 1,
	})
	if err != nil {
		r.close()
		return nil, fmt.Errorf("make a stream: %w", err)
	}
	return r, nil
}

// publish publishes what ingest would store of n webhooks, each publisher one after the other.
func (b *Bench) publish(ctx context.Context, r *rig, traffic *load.Traffic, n int, rate float64, name string) (load.Result, error) {
	schedule := load.NewSchedule(rate, 1)
	source := load.Source{Traffic: traffic, Schedule: schedule}
	shots := make(chan *load.Shot, n)
	messages := map[*load.Shot]*nats.Msg{}
	for range n {
		w, at := source.Plan()
		message, err := stored(w)
		if err != nil {
			return load.Result{}, err
		}
		shot := &load.Shot{At: at}
		messages[shot] = message
		shots <- shot
	}
	close(shots)
	var mu sync.Mutex
	var failed error
	do := func(ctx context.Context, _ int, shot *load.Shot) int {
		if _, err := r.js.PublishMsg(ctx, messages[shot]); err != nil {
			mu.Lock()
			defer mu.Unlock()
			failed = err
			return 0
		}
		return http.StatusOK
	}
	result, _ := load.Plan{Name: name, Workers: connections, Rate: rate, Shots: shots, Do: do, Every: b.every()}.Run(ctx)
	if failed != nil {
		return result, fmt.Errorf("publish: %w", failed)
	}
	return result, ctx.Err()
}

// cpu is the processor time that the processes of a rig have taken.
type cpu struct{ nats, twilio, ingest, enricher time.Duration }

func (r *rig) cpu() (c cpu, err error) {
	for p, field := range map[*process]*time.Duration{r.nats: &c.nats, r.twilio: &c.twilio, r.ingest: &c.ingest, r.enricher: &c.enricher} {
		if p == nil {
			continue
		}
		u, err := p.usage()
		if err != nil {
			return cpu{}, err
		}
		*field = u.cpu
	}
	return c, nil
}
