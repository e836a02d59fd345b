package ingest

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/validation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	base    = "https://hooks.example.com"
	account = "AC0123456789abcdef0123456789abcdef"
	other   = "ACffffffffffffffffffffffffffffffff"
	chat    = "CH0123456789abcdef0123456789abcdef"
	token   = "the-auth-token"

	conversations = "/webhooks/conversations"
	flex          = "/webhooks/flex"
	orchestrator  = "/webhooks/orchestrator"
	eventStreams  = "/webhooks/event-streams"
)

// shelf is a Store in memory. put and bury, when given, decide before anything is kept.
type shelf struct {
	put  func(context.Context, events.Event) error
	bury func(context.Context, events.DeadLetter) error

	mu      sync.Mutex
	events  []events.Event
	letters []events.DeadLetter
}

func (s *shelf) Put(ctx context.Context, e events.Event) error {
	if s.put != nil {
		if err := s.put(ctx, e); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	return nil
}

func (s *shelf) Bury(ctx context.Context, d events.DeadLetter) error {
	if s.bury != nil {
		if err := s.bury(ctx, d); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.letters = append(s.letters, d)
	return nil
}

func (s *shelf) held() ([]events.Event, []events.DeadLetter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events), slices.Clone(s.letters)
}

func (s *shelf) wantEmpty(t *testing.T) {
	t.Helper()
	if e, d := s.held(); len(e)+len(d) != 0 {
		t.Errorf("got %d events and %d dead letters stored, want none", len(e), len(d))
	}
}

// ring is a Keyring.
type ring func() ([]validation.Secret, []validation.SID)

func (r ring) Signers() ([]validation.Secret, []validation.SID) { return r() }

func keys(pairs ...string) ring {
	var secrets []validation.Secret
	var accounts []validation.SID
	for pair := range slices.Chunk(pairs, 2) {
		secrets = append(secrets, validation.NewSecret(pair[0]))
		accounts = append(accounts, validation.SID(pair[1]))
	}
	return func() ([]validation.Secret, []validation.SID) { return secrets, accounts }
}

// rig is a Service that runs on a loopback listener, with all that it is made of.
type rig struct {
	*Service
	shelf *shelf
	log   *lockedBuffer
	reg   *prometheus.Registry
	addr  string
	stop  func() error // and wait; may be called more than once
}

// start runs a Service. change may alter it, and the parts it is made of, before it serves.
func start(t *testing.T, cfg Config, keyring Keyring, change func(*rig)) *rig {
	t.Helper()
	r := &rig{shelf: &shelf{}, log: &lockedBuffer{}, reg: prometheus.NewRegistry()}
	if cfg.PublicURLs == nil {
		cfg.PublicURLs = []string{base}
	}
	if keyring == nil {
		keyring = keys(token, account)
	}
	logger := slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if r.Service, err = New(cfg, r.shelf, keyring, logger, r.reg); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = listener.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, listener) }()
	r.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = r.stop() })
	return r
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// webhook is a request as Twilio sends it. The zero value of signature and media means the right one.
type webhook struct {
	method, target, media, body, signature string
	header                                 http.Header
}

func form(target string, pairs ...string) webhook {
	values := url.Values{}
	for pair := range slices.Chunk(pairs, 2) {
		values.Add(pair[0], pair[1])
	}
	return webhook{method: http.MethodPost, target: target, media: mediaForm, body: values.Encode()}
}

func get(target string, pairs ...string) webhook {
	w := form(target, pairs...)
	return webhook{method: http.MethodGet, target: target + "?" + w.body}
}

func jsonBody(target, body string) webhook {
	return webhook{method: http.MethodPost, target: validation.WithBodyHash(target, []byte(body)), media: mediaJSON, body: body}
}

// messageAdded is a genuine post-action webhook, participantAdd a genuine pre-action one.
func messageAdded(more ...string) webhook {
	return form(conversations, append([]string{"EventType", "onMessageAdded", "AccountSid", account, "ConversationSid", chat,
		"MessageSid", "IM0123456789abcdef0123456789abcdef", "Body", "Hello"}, more...)...)
}

func participantAdd() webhook {
	return form(conversations, "EventType", "onParticipantAdd", "AccountSid", account, "ConversationSid", chat, "Identity", "alice")
}

func cloudEvent(id, text string) string {
	return `{"specversion":"1.0","type":"com.twilio.conversations.message.added","source":"/x","id":"` + id + `","time":"2026-06-10T06:02:54.377Z",` +
		`"data":{"AccountSid":"` + account + `","ConversationSid":"` + chat + `","MessageSid":"IM0123456789abcdef0123456789abcdef","Body":"` + text + `"}}`
}

func (w webhook) sign(key string) webhook {
	w.signature = validation.Sign(validation.NewSecret(key), w.method, base+w.target, w.media, []byte(w.body))
	return w
}

// answer is an answer, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// send sends w, signed with token unless it bears a signature.
func (r *rig) send(t *testing.T, w webhook) answer {
	t.Helper()
	if w.signature == "" {
		w = w.sign(token)
	}
	req, err := http.NewRequestWithContext(t.Context(), w.method, "http://"+r.addr+w.target, strings.NewReader(w.body))
	if err != nil {
		t.Fatal(err)
	}
	if w.body == "" {
		req.Body = http.NoBody
	}
	if w.media != "" {
		req.Header.Set("Content-Type", w.media)
	}
	if w.signature != "none" {
		req.Header.Set("X-Twilio-Signature", w.signature)
	}
	maps.Copy(req.Header, w.header)
	return do(t, req)
}

func do(t *testing.T, req *http.Request) answer {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// wantStatus sends w and checks the answer: the status, and that there is no body.
func (r *rig) wantStatus(t *testing.T, w webhook, status int) answer {
	t.Helper()
	a := r.send(t, w)
	if a.status != status || a.body != "" {
		t.Errorf("got status %d and body %q, want %d and none\nlog: %s", a.status, a.body, status, r.log.String())
	}
	return a
}
