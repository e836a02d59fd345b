//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/rollcall-events/rollcall/cmd/internal/process"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/freeport"
)

// truthful is how soon readiness says what is so.
const truthful = 5 * time.Second

// wantReady waits until readiness is as asked, for as long as it may lag, and checks that liveness is green all the while.
func (c *child) wantReady(t *testing.T, status int, says string) {
	t.Helper()
	began := time.Now()
	for {
		got, why := c.ready(t)
		if live, _ := c.get(t, "/livez"); live != http.StatusOK {
			t.Errorf("got %d from /livez, want 200 whatever happens", live)
		}
		if got == status && strings.Contains(why, says) {
			t.Logf("%d after %s", status, time.Since(began).Round(time.Millisecond))
			return
		}
		if time.Since(began) > truthful {
			t.Fatalf("got %d and %q from /readyz after %s, want %d and %q", got, why, truthful, status, says)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// away returns a URL that NATS will have and does not have yet, with its streams on disk.
func away(t *testing.T) (url string, start func() *broker.Embedded) {
	t.Helper()
	address, dir := freeport.Address(t), t.TempDir()
	server(t, address, dir).Shutdown()
	return "nats://" + address, func() *broker.Embedded { return server(t, address, dir) }
}

func TestHealthFollowsNATS(t *testing.T) {
	url, start := away(t)
	c := launched(t, environment("NATS_URL", url))
	c.wantReady(t, http.StatusServiceUnavailable, "nats: NATS is not connected")
	for range 2 {
		embedded := start()
		c.wantReady(t, http.StatusOK, "nats: ok")
		embedded.Shutdown()
		c.wantReady(t, http.StatusServiceUnavailable, "nats: NATS is not connected")
	}
}

// NATS may be there and be of no use to this user: a login that is refused, then a right that is missing.
func TestHealthTellsWhatNATSRefuses(t *testing.T) {
	opts := &natsserver.Options{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}
	admin := &natsserver.User{Username: "admin", Password: "x"}
	opts.Users = []*natsserver.User{admin}
	s, err := natsserver.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	wait(t, "NATS", func() bool { return s.ReadyForConnections(time.Second) })
	allow := func(password string, publish ...string) {
		opts = opts.Clone()
		permissions := &natsserver.Permissions{Publish: &natsserver.SubjectPermission{Allow: publish}}
		opts.Users = []*natsserver.User{admin, {Username: "ingest", Password: password, Permissions: permissions}}
		if err := s.ReloadOptions(opts); err != nil {
			t.Fatal(err)
		}
	}
	as := func(user string) string { return strings.Replace(s.ClientURL(), "nats://", "nats://"+user+"@", 1) }
	provision(t, as("admin:x"))

	c := launched(t, environment("NATS_URL", as("ingest:right")))
	c.wantReady(t, http.StatusServiceUnavailable, "nats: NATS is not connected")
	allow("wrong", "rollcall.>")
	c.wantReady(t, http.StatusServiceUnavailable, "uthorization")
	allow("right", "rollcall.dead.>")
	c.wantReady(t, http.StatusServiceUnavailable, "does not allow this client to publish to rollcall.raw")
	allow("right", "rollcall.raw.>", "rollcall.dead.>")
	c.wantReady(t, http.StatusOK, "nats: ok")
	allow("right", "rollcall.dead.>")
	c.wantReady(t, http.StatusServiceUnavailable, "does not allow this client to publish to rollcall.raw")
	allow("right", "rollcall.raw.>", "rollcall.dead.>")
	c.wantReady(t, http.StatusOK, "nats: ok")
	if n := strings.Count(c.stderr.String(), "NATS denied an operation"); n > 3 {
		t.Errorf("got %d lines of denials, want one for each time that one began", n)
	}
}

func provision(t *testing.T, url string) {
	t.Helper()
	conn, err := broker.Connect(t.Context(), broker.Config{URL: url, Name: "provisioner"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	wait(t, "the streams", func() bool { return conn.Provision(t.Context(), broker.Topology{}) == nil })
}

func TestHealthTellsOfAFullOutbox(t *testing.T) {
	url, start := away(t)
	c := launched(t, environment("NATS_URL", url, "ROLLCALL_OUTBOX_DIR", filepath.Join(t.TempDir(), "outbox"), "ROLLCALL_OUTBOX_MAX_BYTES", "1MiB"))
	kept := 0
	for c.post(t, token, numbered(kept)+"&Attributes="+strings.Repeat("x", 100<<10)) == http.StatusOK {
		if kept++; kept > 20 {
			t.Fatal("got more than 1 MiB into an outbox of 1 MiB")
		}
	}
	c.wantReady(t, http.StatusServiceUnavailable, "outbox: the outbox is full")
	start()
	c.wantReady(t, http.StatusOK, "outbox: ok")
	wait(t, "what the outbox kept", func() bool { return len(raw(t, url)) == kept })
}

// numbered is the body of a webhook of its own.
func numbered(i int) string {
	return strings.Replace(body, "IM0123456789abcdef0123456789abcdef", fmt.Sprintf("IM%032x", i), 1)
}

// SIGTERM: readiness first, then what is under way, then the end. Each in its time.
func TestSIGTERMFinishesWhatIsUnderWay(t *testing.T) {
	embedded := server(t, "127.0.0.1:0", t.TempDir())
	c := launched(t, environment("NATS_URL", embedded.ClientURL()))
	c.wantReady(t, http.StatusOK, "nats: ok")
	w := c.wire(t)
	_, _ = io.WriteString(w, head("POST "+hook, form, sign(hook, form, []byte(body)))+length(len(body)))
	wait(t, "the webhook to be under way", func() bool { return strings.Contains(c.metrics(t), "rollcall_ingest_in_flight_webhooks 1") })
	c.cancel()
	c.wantReady(t, http.StatusServiceUnavailable, "process: the process is stopping")
	_, _ = io.WriteString(w, body)
	if got := w.status(); got != http.StatusOK {
		t.Errorf("got %d for the webhook under way, want 200", got)
	}
	if code := c.ended(t); code != process.OK {
		t.Errorf("got exit code %d, want 0", code)
	}
	if stored := raw(t, embedded.ClientURL()); len(stored) != 1 {
		t.Errorf("got %d events in RAW, want the one that was under way", len(stored))
	}
}

// A proxy that looks at readiness has the delay to stop sending: what it sends until then is answered.
func TestWebhooksAreTakenForTheStopDelay(t *testing.T) {
	const delay = 2 * time.Second
	embedded := server(t, "127.0.0.1:0", t.TempDir())
	c := launched(t, environment("NATS_URL", embedded.ClientURL(), "ROLLCALL_STOP_DELAY", delay.String()))
	c.wantReady(t, http.StatusOK, "nats: ok")
	c.cancel()
	began := time.Now()
	c.wantReady(t, http.StatusServiceUnavailable, "process: the process is stopping")
	if status := c.post(t, token, body); status != http.StatusOK {
		t.Errorf("got %d for a webhook after SIGTERM, want 200", status)
	}
	if code, took := c.ended(t), time.Since(began); code != process.OK || took < delay {
		t.Errorf("got exit code %d after %s, want 0 after %s or more", code, took, delay)
	}
	if stored := raw(t, embedded.ClientURL()); len(stored) != 1 {
		t.Errorf("got %d events in RAW, want the one that came after SIGTERM", len(stored))
	}
}

func TestASecondSIGTERMEndsTheStopDelay(t *testing.T) {
	embedded := server(t, "127.0.0.1:0", t.TempDir())
	c := launched(t, environment("NATS_URL", embedded.ClientURL(), "ROLLCALL_STOP_DELAY", "5m"))
	c.wantReady(t, http.StatusOK, "nats: ok")
	c.cancel()
	c.wantReady(t, http.StatusServiceUnavailable, "process: the process is stopping")
	c.cancel()
	if code := c.ended(t); code != -1 { // ended by the signal
		t.Errorf("got exit code %d, want none: the delay need not end", code)
	}
}

func TestASecondSIGTERMEndsAtOnce(t *testing.T) {
	embedded := server(t, "127.0.0.1:0", t.TempDir())
	c := launched(t, environment("NATS_URL", embedded.ClientURL(), "ROLLCALL_BODY_TIMEOUT", "3s"))
	c.wantReady(t, http.StatusOK, "nats: ok")
	w := c.wire(t)
	_, _ = io.WriteString(w, head("POST "+hook, form, "c2xvdw==")+length(1000))
	wait(t, "the webhook to be under way", func() bool { return strings.Contains(c.metrics(t), "rollcall_ingest_in_flight_webhooks 1") })
	c.cancel()
	c.wantReady(t, http.StatusServiceUnavailable, "process: the process is stopping")
	c.cancel()
	if code := c.ended(t); code != -1 { // ended by the signal
		t.Errorf("got exit code %d, want none: what was under way need not end", code)
	}
	if got := w.status(); got != 0 {
		t.Errorf("got %d for what was under way, want none", got)
	}
}

// Webhooks come while the process is told to stop, and is then ended in the middle of it: what had its 200 is
// there afterwards, and once.
func TestNothingAnsweredIsLostWhenStopping(t *testing.T) {
	for name, signals := range map[string][]syscall.Signal{
		"stopped": {syscall.SIGTERM}, "stopped twice": {syscall.SIGTERM, syscall.SIGTERM}, "killed": {syscall.SIGKILL},
	} {
		t.Run(name, func(t *testing.T) {
			url, start := away(t)
			env := environment("NATS_URL", url, "ROLLCALL_OUTBOX_DIR", filepath.Join(t.TempDir(), "outbox"))
			c := launched(t, env)
			answered := c.postUntilGone(t, func() {
				for _, s := range signals {
					_ = syscall.Kill(c.pid, s)
				}
			})
			c.ended(t)
			again := launched(t, env)
			start()
			again.wantReady(t, http.StatusOK, "outbox: ok")
			wait(t, "the outbox to be empty", func() bool { return strings.Contains(again.metrics(t), "\nrollcall_outbox_messages 0\n") })
			times := map[string]int{}
			for _, e := range raw(t, url) {
				times[string(e.Refs.MessageSID)]++
			}
			for i := range answered {
				if n := times[fmt.Sprintf("IM%032x", i)]; n != 1 {
					t.Errorf("got webhook %d %d times in RAW, want it once: it had its 200", i, n)
				}
			}
			t.Logf("%d answered, %d stored", len(answered), len(times))
		})
	}
}

// postUntilGone posts webhooks, several at a time, until the process does not answer any more. After some it calls end.
// It returns those that were answered 200.
func (c *child) postUntilGone(t *testing.T, end func()) map[int]bool {
	t.Helper()
	answered := map[int]bool{}
	var mu sync.Mutex
	var next int
	var posting sync.WaitGroup
	for range 4 {
		w := c.wire(t)
		posting.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				enough := len(answered) == 100
				mu.Unlock()
				if enough {
					end()
				}
				text := numbered(i)
				_, _ = io.WriteString(w, head("POST "+hook, form, sign(hook, form, []byte(text)))+length(len(text))+text)
				if w.status() != http.StatusOK {
					return
				}
				mu.Lock()
				answered[i] = true
				mu.Unlock()
			}
		})
	}
	posting.Wait()
	return answered
}
