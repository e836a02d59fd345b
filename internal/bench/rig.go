package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/internal/load"
	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/validation"
)

// token signs webhooks and calls the API. It is known to all: nothing here outlives the bench.
var token = validation.NewSecret("the-token-of-a-bench-on-loopback")

// owner is the account of all that is sent.
func owner() validation.SID { return sandbox.SID("AC", "bench") }

// asyncPending is how many messages may wait for their acknowledgement at once.
const asyncPending = 8192

// rig is one pipeline of processes, with streams of its own that begin empty.
type rig struct {
	b        *Bench
	dir      string
	always   bool // sync_interval: always
	profiled bool // ingest and enricher are those that can be profiled
	traffic  *load.Traffic
	ledger   *sandbox.Ledger

	nats, twilio, ingest, enricher *process
	natsURL, twilioURL, ingestURL  string

	nc     *nats.Conn
	js     jetstream.JetStream
	stored *load.Stored // nil without streams
}

// startNATS starts a NATS server with an empty store, and connects to it.
func (b *Bench) startNATS(ctx context.Context, always bool) (*rig, error) {
	dir, err := os.MkdirTemp(b.dir, "rig-")
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	r := &rig{b: b, dir: dir, always: always, ledger: sandbox.NewLedger()}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	r.natsURL = "nats://" + address
	durability := ""
	if always {
		durability = "sync_interval: always"
	}
	config := fmt.Sprintf("listen: %q\nmax_payload: 8MB\njetstream { store_dir: %q\n %s }\n", address, filepath.Join(dir, "store"), durability)
	file := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("configure NATS: %w", err)
	}
	if r.nats, err = b.start("nats", natsProgram, []string{"-c", file}); err != nil {
		return nil, err
	}
	if err := r.nats.ready(ctx, listens(address)); err != nil {
		return nil, err
	}
	return r, r.connect(address)
}

func (r *rig) connect(address string) (err error) {
	if r.nc, err = nats.Connect("nats://"+address, nats.Name("bench"), nats.MaxReconnects(-1)); err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	if r.js, err = jetstream.New(r.nc, jetstream.WithPublishAsyncMaxPending(asyncPending)); err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	return nil
}

// startRig is startNATS with the streams of production and a fake Twilio that knows the traffic, and takes latency to answer.
func (b *Bench) startRig(ctx context.Context, always bool, latency time.Duration, traffic load.TrafficConfig) (*rig, error) {
	r, err := b.startNATS(ctx, always)
	if err != nil {
		return nil, err
	}
	traffic.Cast = sandbox.NewCast(owner())
	r.traffic = load.NewTraffic(traffic)
	provision, err := b.start("provision", enricherProgram, []string{"provision"}, "NATS_URL="+r.natsURL)
	if err != nil {
		return nil, err
	}
	select {
	case <-provision.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if provision.ended != nil {
		return nil, fmt.Errorf("declare the streams: %w: %s", provision.ended, provision.tail())
	}
	if r.stored, err = load.Mark(ctx, r.js); err != nil {
		return nil, err
	}
	return r, r.startTwilio(ctx, latency)
}

func (r *rig) startTwilio(ctx context.Context, latency time.Duration) error {
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	r.twilioURL = "http://" + address
	r.twilio, err = r.b.start("twilio", sandboxProgram, []string{"twilio", "--listen", address},
		"TWILIO_ACCOUNT_SID="+string(owner()), "TWILIO_AUTH_TOKEN="+token.Reveal())
	if err != nil {
		return err
	}
	if err := r.twilio.ready(ctx, answers(r.twilioURL+sandbox.AdminPath+"healthy")); err != nil {
		return err
	}
	world := sandbox.NewWorld(sandbox.NewCast(owner()).State(token))
	world.Change(r.traffic.World)
	if err := r.put(ctx, "world", world.State()); err != nil {
		return err
	}
	return r.setLatency(ctx, latency)
}

// setLatency is how long the fake Twilio takes from now on.
func (r *rig) setLatency(ctx context.Context, latency time.Duration) error {
	if latency == 0 {
		return r.put(ctx, "faults", []sandbox.Fault{})
	}
	return r.put(ctx, "faults", []sandbox.Fault{{Latency: latency}})
}

// put changes the fake Twilio.
func (r *rig) put(ctx context.Context, what string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode the fake Twilio's %s: %w", what, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, r.twilioURL+sandbox.AdminPath+what, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("change the fake Twilio's %s: %w", what, err)
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("change the fake Twilio's %s: %w", what, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("change the fake Twilio's %s: answered %d", what, resp.StatusCode)
	}
	return nil
}

// calls returns how many requests the fake Twilio was sent.
func (r *rig) calls(ctx context.Context) (n int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.twilioURL+sandbox.AdminPath+"calls", http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("ask for the number of calls: %w", err)
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("ask for the number of calls: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	counts := map[sandbox.Endpoint]int{}
	if err == nil {
		err = json.Unmarshal(body, &counts)
	}
	for _, count := range counts {
		n += count
	}
	return n, err
}

// startIngest starts an ingest with an outbox, as in production.
func (r *rig) startIngest(ctx context.Context) error {
	address, ops, err := twoAddresses(ctx)
	if err != nil {
		return err
	}
	r.ingestURL = "http://" + address
	r.ingest, err = r.b.start("ingest", r.program(ingestProgram), nil, "BENCH_PROFILE="+r.b.profileOf("ingest"), "NATS_URL="+r.natsURL, "ROLLCALL_LISTEN="+address, "ROLLCALL_OPS_LISTEN="+ops,
		"ROLLCALL_PUBLIC_URL="+r.ingestURL, "ROLLCALL_OUTBOX_DIR="+filepath.Join(r.dir, "outbox"), "ROLLCALL_LOG_LEVEL=warn",
		"TWILIO_ACCOUNT_SID="+string(owner()), "TWILIO_AUTH_TOKEN="+token.Reveal())
	if err != nil {
		return err
	}
	return r.ingest.ready(ctx, answers("http://"+ops+"/readyz"))
}

func (r *rig) startEnricher(ctx context.Context) error {
	ops, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	r.enricher, err = r.b.start("enricher", r.program(enricherProgram), nil, "BENCH_PROFILE="+r.b.profileOf("enricher"), "NATS_URL="+r.natsURL, "ROLLCALL_OPS_LISTEN="+ops, "ROLLCALL_LOG_LEVEL=warn",
		"TWILIO_ACCOUNT_SID="+string(owner()), "TWILIO_AUTH_TOKEN="+token.Reveal(),
		"ROLLCALL_CONVERSATIONS_URL="+r.twilioURL, "ROLLCALL_FLEX_URL="+r.twilioURL)
	if err != nil {
		return err
	}
	return r.enricher.ready(ctx, answers("http://"+ops+"/readyz"))
}

// program is the one of that name that this rig runs.
func (r *rig) program(name string) string {
	if r.profiled {
		return filepath.Join(profiledDir, name)
	}
	return name
}

func twoAddresses(ctx context.Context) (one, two string, err error) {
	if one, err = freeAddress(ctx); err != nil {
		return "", "", err
	}
	two, err = freeAddress(ctx)
	return one, two, err
}

// webhook is the next of the traffic.
func (r *rig) webhook() sandbox.Webhook {
	w, _, _ := r.traffic.Next()
	return w
}

// settle waits until all that is owed has come out, and holds the ledger against it. Anything but a clean verdict is an error.
func (r *rig) settle(ctx context.Context) error {
	if r.enricher == nil {
		if err := r.setLatency(ctx, 0); err != nil { // what is waited for here is not measured
			return err
		}
		if err := r.startEnricher(ctx); err != nil {
			return err
		}
	}
	if err := r.stored.Settle(ctx, r.ledger.Owed()); err != nil {
		return err
	}
	verdict, err := r.stored.Judge(ctx, r.ledger)
	if err != nil {
		return err
	}
	r.b.report.Ledger.add(load.OutcomeOf(verdict))
	return verdict.Err()
}

// close stops everything, in the order in which it can be stopped cleanly, and removes the streams.
func (r *rig) close() {
	if r.nc != nil {
		r.nc.Close()
	}
	for _, p := range []*process{r.ingest, r.enricher, r.twilio, r.nats} {
		if p != nil {
			p.stop()
		}
	}
	_ = os.RemoveAll(r.dir) // the whole directory goes at the end
}

// restartNATS starts the NATS server again where it was, with what it had stored.
func (r *rig) restartNATS(ctx context.Context) (err error) {
	if r.nats, err = r.b.start("nats", natsProgram, []string{"-c", filepath.Join(r.dir, "nats.conf")}); err != nil {
		return err
	}
	return r.nats.ready(ctx, func(context.Context) error {
		if !r.nc.IsConnected() {
			return nats.ErrDisconnected
		}
		return nil
	})
}

func owners() []validation.SID { return []validation.SID{owner()} }
