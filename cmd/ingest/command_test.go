package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/validation"
)

const (
	public  = "https://hooks.example.com"
	token   = "5ecret-auth-token"
	account = "AC0123456789abcdef0123456789abcdef"
	chat    = "CH0123456789abcdef0123456789abcdef"
	form    = "application/x-www-form-urlencoded"
	body    = "EventType=onMessageAdded&AccountSid=" + account + "&ConversationSid=" + chat + "&MessageSid=IM0123456789abcdef0123456789abcdef&Body=Hello"
)

// command is a run of the command.
type command struct {
	env            map[string]string
	stdout, stderr lockedBuffer
	cancel         context.CancelFunc
	exit           chan int
	hooks, ops     string // where it listens
}

// environment is the least that must be given, and free ports.
func environment(more ...string) map[string]string {
	env := map[string]string{
		"TWILIO_AUTH_TOKEN": token, "ROLLCALL_PUBLIC_URL": public, "NATS_URL": "nats://127.0.0.1:1",
		"ROLLCALL_LISTEN": "127.0.0.1:0", "ROLLCALL_OPS_LISTEN": "127.0.0.1:0",
	}
	for i := 0; i < len(more); i += 2 {
		env[more[i]] = more[i+1]
	}
	return env
}

func start(t *testing.T, env map[string]string, args ...string) *command {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &command{env: env, cancel: cancel, exit: make(chan int, 1)}
	var once sync.WaitGroup
	once.Go(func() {
		c.exit <- run(ctx, args, func(name string) string { return env[name] }, &c.stdout, &c.stderr)
	})
	t.Cleanup(func() { cancel(); once.Wait() })
	return c
}

// serving starts the command and waits until it listens.
func serving(t *testing.T, env map[string]string) *command {
	t.Helper()
	c := start(t, env)
	c.awaitListening(t)
	return c
}

// awaitListening waits until the command says where it listens.
func (c *command) awaitListening(t *testing.T) {
	t.Helper()
	wait(t, "the command to listen", func() bool {
		for line := range strings.Lines(c.stderr.String()) {
			var entry struct{ Msg, Webhooks, Ops string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
				c.hooks, c.ops = entry.Webhooks, entry.Ops
			}
		}
		return c.hooks != ""
	})
}

// stop ends the command as a signal does, and returns its exit code.
func (c *command) stop(t *testing.T) int {
	t.Helper()
	c.cancel()
	return c.ended(t)
}

func (c *command) ended(t *testing.T) int {
	t.Helper()
	select {
	case code := <-c.exit:
		return code
	case <-time.After(time.Minute):
		t.Fatalf("the command did not end:\n%s", c.stderr.String())
		return 0
	}
}

func (c *command) post(t *testing.T, key, body string) int {
	t.Helper()
	const path = "/webhooks/conversations"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+c.hooks+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", form)
	req.Header.Set("X-Twilio-Signature", validation.Sign(validation.NewSecret(key), http.MethodPost, public+path, form, []byte(body)))
	status, _ := c.ask(t, req)
	return status
}

func (c *command) ready(t *testing.T) (status int, why string) {
	t.Helper()
	return c.get(t, "/readyz")
}

func (c *command) metrics(t *testing.T) string {
	t.Helper()
	_, text := c.get(t, "/metrics")
	return text
}

func (c *command) get(t *testing.T, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.ops+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.ask(t, req)
}

func (c *command) ask(t *testing.T, req *http.Request) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
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

func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// server is an embedded NATS whose streams are there.
func server(t *testing.T, listen, dir string) *broker.Embedded {
	t.Helper()
	embedded, err := broker.StartEmbedded(t.Context(), broker.EmbeddedConfig{Dir: dir, Listen: listen, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(embedded.Shutdown)
	conn, err := embedded.Connect(t.Context(), broker.Config{Name: "provisioner"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if err := conn.Provision(t.Context(), broker.Topology{}); err != nil {
		t.Fatal(err)
	}
	return embedded
}

// raw returns what is stored in RAW.
func raw(t *testing.T, url string) (stored []events.Event) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "ROLLCALL_RAW")
	if err != nil {
		t.Fatal(err)
	}
	for seq := range stream.CachedInfo().State.LastSeq {
		msg, err := stream.GetMsg(t.Context(), seq+1)
		if err != nil {
			t.Fatal(err)
		}
		e, err := events.DecodeRaw(msg.Data)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, e)
	}
	return stored
}
