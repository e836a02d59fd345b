package scaling

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/enrich"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// The page's configuration splits the streams in two: one ingest that knows nothing of it, an enricher for each set, and a
// consumer that sees all.
func TestStreamsAreSplitByTheServerAlone(t *testing.T) {
	const conversations, each = 40, 5
	n := startSplit(t)
	seen := n.subscribe(t, "consumer", "rollcall.enriched.>")
	ingest := n.connect(t, "ingest", broker.RoleIngest)
	if err := ingest.Ready(t.Context()); err != nil {
		t.Errorf("ingest is not ready: %v", err)
	}
	for i := range conversations * each {
		for _, again := range []bool{false, true} {
			duplicate, err := ingest.PublishRaw(t.Context(), said(i%conversations, i))
			if err != nil || duplicate != again {
				t.Fatalf("event %d: got duplicate %t, %v, want %t and no error", i, duplicate, err, again)
			}
		}
	}
	if err := ingest.PublishDead(t.Context(), letter()); err != nil {
		t.Errorf("a dead letter of ingest's: %v", err)
	}
	sets := [2]*counted{n.enrich(t, 0), n.enrich(t, 1)}
	last := map[string]uint64{}
	for range conversations * each {
		e := next(t, seen)
		if at := e.Refs.MessageSID; index(at) <= last[e.Key()] {
			t.Errorf("got message %s in %s after %d, want the order in which they were sent", at, e.Key(), last[e.Key()])
		}
		last[e.Key()] = index(e.Refs.MessageSID)
	}
	first, second := sets[0].seen(), sets[1].seen()
	if least := conversations / 4; len(first) < least || len(second) < least {
		t.Errorf("got %d and %d of %d conversations in the sets, want a share in each", len(first), len(second), conversations)
	}
	for key := range first {
		if second[key] {
			t.Errorf("got %s in both sets", key)
		}
	}
}

// said is message n of a conversation.
func said(conversation, n int) events.Event {
	return events.Event{
		ID: fmt.Sprint("event-", n), API: participants.Conversations, Resource: "message", Action: "added", Name: "onMessageAdded",
		Feed: events.FeedConversations, Account: accountSID, ReceivedAt: time.Now(), Payload: json.RawMessage(`{}`),
		Refs: events.Refs{
			ConversationSID: validation.SID(fmt.Sprintf("CH%032x", conversation)), MessageSID: validation.SID(fmt.Sprintf("IM%032x", n+1)),
		},
	}
}

func index(message validation.SID) (n uint64) {
	_, _ = fmt.Sscanf(string(message), "IM%x", &n)
	return n
}

func letter() events.DeadLetter {
	return events.DeadLetter{
		Reason: events.ReasonUnparseable, FailedAt: time.Now(), Body: []byte("x"), Feed: events.FeedConversations, Account: accountSID,
	}
}

// split is a server with the page's configuration.
type split struct{ *server.Server }

// startSplit starts one, with the streams of production in each set.
func startSplit(t *testing.T) split {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, config, _ := block(t, string(text), "<!-- scaling:split -->\n```\n", "```\n")
	path := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PASSWORD", "secret")
	opts, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatalf("%s: %v", page, err)
	}
	opts.Host, opts.Port, opts.StoreDir, opts.NoSigs, opts.NoLog = "127.0.0.1", server.RANDOM_PORT, t.TempDir(), true, true
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server did not become ready")
	}
	n := split{s}
	for set := range 2 {
		p := n.connect(t, fmt.Sprint("provisioner", set), broker.RoleProvisioner)
		if err := p.Provision(t.Context(), broker.Topology{}); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func (n split) url(user string) string { return fmt.Sprintf("nats://%s:secret@%s", user, n.Addr()) }

func (n split) connect(t *testing.T, user string, role broker.Role) *broker.Conn {
	t.Helper()
	c, err := broker.Connect(t.Context(), broker.Config{URL: n.url(user), Name: user, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) }) //nolint:usetesting // the test's own context has ended by then
	return c
}

func (n split) subscribe(t *testing.T, user, subject string) *nats.Subscription {
	t.Helper()
	nc, err := nats.Connect(n.url(user))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	sub, err := nc.SubscribeSync(subject)
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

func next(t *testing.T, sub *nats.Subscription) events.Enriched {
	t.Helper()
	m, err := sub.NextMsg(30 * time.Second)
	if err != nil {
		t.Fatalf("no event: %v", err)
	}
	e, err := events.DecodeEnriched(m.Data)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// counted is the conversations that an enricher was given.
type counted struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (c *counted) add(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[key] = true
}

func (c *counted) seen() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.keys)
}

// enrich runs an enricher on a set until the test ends.
func (n split) enrich(t *testing.T, set int) *counted {
	t.Helper()
	c, seen := n.connect(t, fmt.Sprint("enricher", set), broker.RoleEnricher), &counted{keys: map[string]bool{}}
	p, err := enrich.New(enrich.Config{}, alone{}, anyone{}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- p.Run(ctx) }()
	go func() {
		ended <- c.Work(ctx, func(task *broker.Task) {
			event := task.Event()
			seen.add(event.Key())
			p.Handle(task)
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, <-ended); err != nil {
			t.Error(err)
		}
	})
	return seen
}

// alone answers that one participant is there.
type alone struct{ enrich.API }

func (alone) ListConversation(context.Context, participants.Credentials, validation.SID, validation.SID) ([]participants.Participant, error) {
	return slices.Clone([]participants.Participant{{API: participants.Conversations, ID: "MB00000000000000000000000000000001"}}), nil
}
