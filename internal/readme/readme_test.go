package readme

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/participants"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(broker.MayOutlive)) }

const (
	root         = "../.."
	conversation = "CH00000000000000000000000000000001"
	identity     = "omar"
	patience     = time.Minute
)

func TestGoConsumerIsTheExample(t *testing.T) {
	const path = "examples/consumer/main.go"
	_, source, found := strings.Cut(read(t, path), "func consume(")
	if !found {
		t.Fatalf("%s: got no func consume", path)
	}
	got := block(t, `<!-- file: `+path+` from "func consume" -->`)
	if want := "func consume(" + source; got != want {
		t.Errorf("README.md: got a Go consumer that differs from %s; want\n%s", path, want)
	}
}

func TestEventIsOneOfOurs(t *testing.T) {
	e, err := events.DecodeEnriched([]byte(block(t, "<!-- event -->")))
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Roster.Participants) == 0 {
		t.Error("got an event without participants")
	}
}

func TestGoConsumerPrintsWhoIsThere(t *testing.T) {
	n := startNATS(t)
	consumer := build(t, ".", "consumer", "./examples/consumer")
	lines := start(t, n.url, consumer)
	n.publish(t, enriched("1"))
	waitFor(t, lines, identity)
}

// TestNATSCommandsShowEvents runs every command of the README until it shows the event that it is there to show.
func TestNATSCommandsShowEvents(t *testing.T) {
	n := startNATS(t)
	cli := filepath.Dir(build(t, "tools", "nats", "github.com/nats-io/natscli/nats"))
	n.publish(t, enriched("1"))
	n.publish(t, dead("2"))
	for line := range strings.Lines(block(t, "<!-- run: nats -->")) {
		command := strings.TrimSpace(line)
		t.Run(command, func(t *testing.T) {
			t.Setenv("PATH", cli+string(os.PathListSeparator)+os.Getenv("PATH"))
			t.Setenv("HOME", t.TempDir()) // no contexts of the user's
			lines := start(t, n.url, "sh", "-c", "exec "+command)
			switch {
			case strings.Contains(command, ".dead."):
				waitFor(t, lines, string(events.ReasonInvalid))
			case strings.Contains(command, "--all"):
				waitFor(t, lines, identity)
			default: // from now on: publish once it listens
				waitFor(t, lines, "Subscribing")
				n.publishUntil(t, lines, enriched, identity)
			}
		})
	}
}

type natsServer struct {
	url string
	js  jetstream.JetStream
}

// startNATS starts a server with the streams of production.
func startNATS(t *testing.T) natsServer {
	t.Helper()
	server, err := broker.StartEmbedded(t.Context(), broker.EmbeddedConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", Name: "readme"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	conn, err := server.Connect(t.Context(), broker.Config{Name: "provisioner"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if err := conn.Provision(t.Context(), broker.Topology{}); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(server.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return natsServer{server.ClientURL(), js}
}

type message struct {
	subject string
	data    []byte
	err     error
}

func event(id string) events.Event {
	return events.Event{
		ID: id, API: participants.Conversations, Resource: "participant", Action: "added", Name: "onParticipantAdded",
		Feed: events.FeedConversations, Account: "AC00000000000000000000000000000001", ReceivedAt: time.Now(),
		Refs:    events.Refs{ConversationSID: conversation, ParticipantSID: "MB00000000000000000000000000000001"},
		Payload: json.RawMessage(`{}`),
	}
}

// enriched is what both a consumer of messages and one of participants would show: the Go
// consumer takes messages alone, so it is one.
func enriched(id string) (messages []message) {
	for _, resource := range []string{"participant", "message"} {
		e := event(id + resource)
		e.Resource, e.Name = resource, "on-"+resource
		e.Refs.MessageSID = "IM00000000000000000000000000000001"
		data, err := events.EncodeEnriched(events.Enriched{Event: e, Roster: events.Roster{
			Status: events.RosterResolved, Lookup: events.LookupConversation, FetchedAt: time.Now(),
			Participants: []participants.Participant{{API: participants.Conversations, ID: "MB00000000000000000000000000000001", Identity: identity}},
		}})
		messages = append(messages, message{e.Subject(events.StageEnriched), data, err})
	}
	return messages
}

func dead(id string) []message {
	e := event(id)
	d := events.DeadLetter{ID: id, Reason: events.ReasonInvalid, FailedAt: time.Now(), Event: &e, Feed: e.Feed, Account: e.Account}
	data, err := events.EncodeDead(d)
	return []message{{d.Subject(), data, err}}
}

func (n natsServer) publish(t *testing.T, messages []message) {
	t.Helper()
	for _, m := range messages {
		if m.err != nil {
			t.Fatal(m.err)
		}
		if _, err := n.js.Publish(t.Context(), m.subject, m.data); err != nil {
			t.Fatal(err)
		}
	}
}

// publishUntil publishes again and again, since a subscription that is announced may not have reached the server yet.
func (n natsServer) publishUntil(t *testing.T, lines <-chan string, messages func(string) []message, want string) {
	t.Helper()
	again, deadline := time.NewTicker(50*time.Millisecond), time.After(patience)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			n.publish(t, messages("again"))
		case line, ok := <-lines:
			if !ok || strings.Contains(line, want) {
				return
			}
		case <-deadline:
			t.Fatalf("got no line with %q within %v", want, patience)
		}
	}
}

// build builds a command of the module in dir and returns its path.
func build(t *testing.T, dir, name, pkg string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-C", filepath.Join(root, dir), "-o", out, pkg)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, text)
	}
	return out
}

// start runs a command until the test ends, and returns the lines that it prints.
func start(t *testing.T, url string, name string, args ...string) <-chan string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "NATS_URL="+url)
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, done := make(chan string), make(chan struct{})
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			select {
			case lines <- scanner.Text():
			case <-done:
			}
		}
	}()
	t.Cleanup(func() {
		close(done)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = in.Close()
		for range lines {
		}
	})
	return lines
}

func waitFor(t *testing.T, lines <-chan string, want string) {
	t.Helper()
	var seen []string
	deadline := time.After(patience)
	for {
		select {
		case line, ok := <-lines:
			seen = append(seen, line)
			switch {
			case strings.Contains(line, want):
				return
			case !ok:
				t.Fatalf("got %q and then the end, want a line with %q", seen, want)
			}
		case <-deadline:
			t.Fatalf("got %q, want a line with %q within %v", seen, want, patience)
		}
	}
}

// block returns the code block of README.md that follows the line marker.
func block(t *testing.T, marker string) string {
	t.Helper()
	_, rest, found := strings.Cut(read(t, "README.md"), marker+"\n```")
	if !found {
		t.Fatalf("README.md: got no %s before a code block", marker)
	}
	_, rest, _ = strings.Cut(rest, "\n")
	code, _, _ := strings.Cut(rest, "```")
	return code
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
