package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/rollcall-events/rollcall/cmd/internal/process"
	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/freeport"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

func TestMain(m *testing.M) {
	if config := os.Getenv(configOfNATS); config != "" {
		os.Exit(serveNATS(config))
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(broker.MayOutlive))
}

const (
	account  = validation.SID("AC00000000000000000000000000000001")
	token    = "the-right-token"
	patience = 30 * time.Second // for what should happen; far more than it takes
)

// world is what is around an enricher: NATS, Twilio, an ingest that publishes and a consumer that listens.
type world struct {
	t      *testing.T
	url    string // of NATS
	ingest *broker.Conn
	twilio *twilio
	out    *outcomes
	dir    string
}

// newWorld starts everything but the enricher; the streams are provisioned.
func newWorld(t *testing.T) *world {
	t.Helper()
	server, err := broker.StartEmbedded(t.Context(), broker.EmbeddedConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	return newWorldOn(t, server.ClientURL())
}

// newWorldOn is newWorld with a NATS server of the caller's.
func newWorldOn(t *testing.T, url string) *world {
	t.Helper()
	w := &world{t: t, url: url, twilio: newTwilio(t), dir: t.TempDir()}
	w.setToken(token)
	if out, code := w.command("provision", "--nats-url", w.url); code != process.OK || !strings.Contains(out, "8 partitions") {
		t.Fatalf("provision: got exit code %d and %q", code, out)
	}
	var err error
	w.ingest, err = broker.Connect(t.Context(), broker.Config{URL: w.url, Name: "ingest", Role: broker.RoleIngest})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.ingest.Close(context.WithoutCancel(t.Context())) })
	w.out = listen(t, w.url)
	return w
}

// setToken writes the credentials file.
func (w *world) setToken(token string) {
	w.t.Helper()
	content := fmt.Sprintf(`{"accounts":[{"account_sid":%q,"auth_token":%q}]}`, account, token)
	path := filepath.Join(w.dir, "credentials.json")
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		w.t.Fatal(err)
	}
}

// command runs the enricher to its end.
func (w *world) command(args ...string) (string, int) {
	w.t.Helper()
	var out syncBuffer
	code := run(w.t.Context(), args, func(string) string { return "" }, &out, &out)
	return out.String(), code
}

// publish stores e in RAW.
func (w *world) publish(ctx context.Context, e events.Event) {
	w.t.Helper()
	if duplicate, err := w.ingest.PublishRaw(ctx, e); err != nil || duplicate {
		w.t.Fatalf("publish: got duplicate %v and error %v", duplicate, err)
	}
}

// message is event n of a conversation.
func message(conversation, n int) events.Event {
	ch := validation.SID(fmt.Sprintf("CH%032x", conversation))
	return events.Event{
		ID: fmt.Sprintf("%d-%d", conversation, n), API: participants.Conversations, Resource: "message", Action: "added", Name: "onMessageAdded",
		Feed: events.FeedConversations, Account: account, ReceivedAt: time.Now().UTC(), Payload: json.RawMessage(`{"Body":"hello"}`),
		Refs: events.Refs{ConversationSID: ch, MessageSID: validation.SID(fmt.Sprintf("IM%032x", n))},
	}
}

// enricherProcess is a running enricher.
type enricherProcess struct {
	t    *testing.T
	ops  string // base URL
	log  *syncBuffer
	stop func() int // ends it and returns its exit code
}

// start runs an enricher until the test's end or stop.
func (w *world) start(args ...string) *enricherProcess {
	w.t.Helper()
	ops := freeport.Address(w.t)
	p := &enricherProcess{t: w.t, ops: "http://" + ops, log: &syncBuffer{}}
	env := map[string]string{
		"NATS_URL": w.url, "ROLLCALL_OPS_LISTEN": ops, "ROLLCALL_CREDENTIALS_FILE": filepath.Join(w.dir, "credentials.json"),
		"ROLLCALL_CONVERSATIONS_URL": w.twilio.URL, "ROLLCALL_FLEX_URL": w.twilio.URL, "ROLLCALL_LOG_LEVEL": "debug",
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, args, func(name string) string { return env[name] }, p.log, p.log) }()
	p.stop = sync.OnceValue(func() int {
		cancel()
		return <-ended
	})
	w.t.Cleanup(func() {
		if code := p.stop(); code != process.OK {
			w.t.Errorf("enricher: got exit code %d, want 0", code)
		}
		if w.t.Failed() {
			w.t.Logf("the enricher's log:\n%s", p.log)
		}
	})
	return p
}

func (p *enricherProcess) ready() (int, string) { return p.get("/readyz") }

// get returns the status of what the operator asks for, 0 when there is none, and its body.
func (p *enricherProcess) get(path string) (int, string) {
	res, err := http.Get(p.ops + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

// await waits until the condition holds.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(patience)
	for !condition() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("got no %s within %v", what, patience)
		}
	}
}

// awaitCount waits until so many are counted, for as long as there are ever more: how fast is no matter of these tests.
func awaitCount(t *testing.T, what string, want int, count func() int) {
	t.Helper()
	for got := count(); got < want; {
		before := got
		await(t, fmt.Sprintf("more than %d %s", before, what), func() bool { got = count(); return got > before })
	}
	if got := count(); got != want {
		t.Errorf("got %d %s, want %d", got, what, want)
	}
}

// outcomes is what came out, in the order in which NATS stored it.
type outcomes struct {
	mu       sync.Mutex
	enriched []events.Enriched
	headers  []nats.Header // of enriched
	dead     []events.DeadLetter
}

func listen(t *testing.T, url string) *outcomes {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	o := &outcomes{}
	o.subscribe(t, nc, "rollcall.enriched.>", func(m *nats.Msg) {
		e, err := events.DecodeEnriched(m.Data)
		if err != nil {
			t.Errorf("decode enriched: %v", err)
			return
		}
		if m.Subject != e.Subject(events.StageEnriched) {
			t.Errorf("got subject %s, want %s", m.Subject, e.Subject(events.StageEnriched))
		}
		o.enriched, o.headers = append(o.enriched, e), append(o.headers, m.Header)
	})
	o.subscribe(t, nc, "rollcall.dead.>", func(m *nats.Msg) {
		d, err := events.DecodeDead(m.Data)
		if err == nil {
			o.dead = append(o.dead, d)
		}
	})
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *outcomes) subscribe(t *testing.T, nc *nats.Conn, subject string, take func(*nats.Msg)) {
	t.Helper()
	_, err := nc.Subscribe(subject, func(m *nats.Msg) {
		if m.Header.Get("Nats-TTL") == "probe" { // readiness asking for its rights
			return
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		take(m)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (o *outcomes) counts() (enriched, dead int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.enriched), len(o.dead)
}

func (o *outcomes) await(t *testing.T, enriched, dead int) {
	t.Helper()
	awaitCount(t, "enriched", enriched, func() int { n, _ := o.counts(); return n })
	awaitCount(t, "dead", dead, func() int { _, n := o.counts(); return n })
	if n, _ := o.counts(); n != enriched {
		t.Errorf("got %d enriched, want %d", n, enriched)
	}
}

// awaitStored waits until n events are in the stream, each once: for when a listener may have missed some.
func (w *world) awaitStored(n int) {
	w.t.Helper()
	nc, err := nats.Connect(w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	awaitCount(w.t, "stored events", n, func() (sum int) {
		s, err := js.Stream(w.t.Context(), "ROLLCALL_ENRICHED")
		if err != nil {
			return 0
		}
		info, err := s.Info(w.t.Context(), jetstream.WithSubjectFilter("rollcall.enriched.>")) // beside these it holds burials
		if err != nil {
			return 0
		}
		for _, n := range info.State.Subjects {
			sum += int(n)
		}
		return sum
	})
}

// wantInOrder checks that each conversation's events came out once, in order.
func (o *outcomes) wantInOrder(t *testing.T, conversations, each int) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	next := map[int]int{}
	for _, e := range o.enriched {
		var conversation, n int
		if _, err := fmt.Sscanf(e.ID, "%d-%d", &conversation, &n); err != nil {
			t.Fatal(err)
		}
		if n != next[conversation] {
			t.Errorf("conversation %d: got event %d, want %d", conversation, n, next[conversation])
		}
		next[conversation]++
	}
	for c := range conversations {
		if next[c] != each {
			t.Errorf("conversation %d: got %d events, want %d", c, next[c], each)
		}
	}
}

// twilio answers v1 participant lists.
type twilio struct {
	*httptest.Server
	mu     sync.Mutex
	calls  map[string]int                                           // per conversation
	answer func(w http.ResponseWriter, r *http.Request, n int) bool // whether it has answered; n counts the conversation's calls
}

func newTwilio(t *testing.T) *twilio {
	t.Helper()
	tw := &twilio{calls: map[string]int{}}
	tw.Server = httptest.NewServer(http.HandlerFunc(tw.serve))
	t.Cleanup(tw.Close)
	return tw
}

func (tw *twilio) serve(w http.ResponseWriter, r *http.Request) {
	conversation := strings.Split(r.URL.Path, "/")[3]
	tw.mu.Lock()
	tw.calls[conversation]++
	n, answer := tw.calls[conversation], tw.answer
	tw.mu.Unlock()
	if answer != nil && answer(w, r, n) {
		return
	}
	if _, password, _ := r.BasicAuth(); password != token {
		fail(w, http.StatusUnauthorized, 20003)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"meta":{"key":"participants","page":0,"page_size":100,"next_page_url":null},"participants":[
		{"sid":"MB00000000000000000000000000000001","conversation_sid":%q,"account_sid":%q,"identity":"alice","attributes":"{}",
		"role_sid":null,"messaging_binding":null,"date_created":"2026-01-02T03:04:05Z","date_updated":"2026-01-02T03:04:05Z","url":null,
		"last_read_message_index":null,"last_read_timestamp":null}]}`, conversation, account)
}

func fail(w http.ResponseWriter, status, code int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"code":%d,"message":"no","more_info":"","status":%d}`, code, status)
}

func (tw *twilio) setAnswer(answer func(http.ResponseWriter, *http.Request, int) bool) {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	tw.answer = answer
}

func (tw *twilio) total() (n int) {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	for _, calls := range tw.calls {
		n += calls
	}
	return n
}

// syncBuffer is a bytes.Buffer that may be read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
