package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-events/rollcall/internal/freeport"
)

func TestConnectRefusesWhatWaitingCannotMend(t *testing.T) {
	dir := t.TempDir()
	nonsense := filepath.Join(dir, "nonsense")
	if err := os.WriteFile(nonsense, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := "nats://127.0.0.1:1"
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"no URL", Config{Name: "x"}, "URL 1"},
		{"no host", Config{Name: "x", URL: "nats://u:s3cret@"}, "URL 1"},
		{"not a URL", Config{Name: "x", URL: good + ",nats://u:s3cret @h:%zz"}, "URL 2"},
		{"another scheme", Config{Name: "x", URL: "http://u:s3cret@h"}, "scheme"},
		{"no name", Config{URL: good}, "name"},
		{"a name that is no token", Config{URL: good, Name: "a.b"}, "name"},
		{"an unknown role", Config{URL: good, Name: "x", Role: "king"}, "role"},
		{"both kinds of credentials", Config{URL: good, Name: "x", CredsFile: nonsense, NKeySeedFile: nonsense}, "not both"},
		{"no creds file", Config{URL: good, Name: "x", CredsFile: filepath.Join(dir, "none")}, "creds file"},
		{"no creds in the file", Config{URL: good, Name: "x", CredsFile: nonsense}, "creds file"},
		{"no seed file", Config{URL: good, Name: "x", NKeySeedFile: filepath.Join(dir, "none")}, "seed file"},
		{"no seed in the file", Config{URL: good, Name: "x", NKeySeedFile: nonsense}, "seed file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Connect(t.Context(), tt.cfg)
			if err == nil {
				c.nc.Close()
				t.Fatal("got nil, want an error")
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %q, want one that says %q and no secret", err, tt.want)
			}
		})
	}
}

func TestConnectTakesASeedFile(t *testing.T) {
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(file, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Connect(t.Context(), Config{URL: "127.0.0.1:1", Name: "x", NKeySeedFile: file})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, c)
}

func TestAServerThatTakesSmallMessagesOnlyIsTold(t *testing.T) {
	for name, tt := range map[string]struct {
		most int32
		told bool
	}{"as it comes": {1 << 20, true}, "as asked for": {maxPayload, false}} {
		t.Run(name, func(t *testing.T) {
			s, err := startEmbedded(t.Context(), &server.Options{
				DontListen: true, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true, MaxPayload: tt.most,
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Shutdown)
			var logged lockedBuffer
			c, err := s.Connect(t.Context(), Config{Name: "ingest", Log: slog.New(slog.NewTextHandler(&logged, nil))})
			if err != nil {
				t.Fatal(err)
			}
			closeAtEnd(t, c)
			eventually(t, "connected", func() bool { return strings.Contains(logged.String(), "connected to NATS") })
			if got := strings.Contains(logged.String(), "max_payload=1048576"); got != tt.told {
				t.Errorf("logged: %s\nwant a word on max_payload: %v", logged.String(), tt.told)
			}
		})
	}
}

func TestNATSComesLaterGoesAndComesBack(t *testing.T) {
	address := freeport.Address(t)
	var logged lockedBuffer
	reg := prometheus.NewRegistry()
	c, err := Connect(t.Context(), Config{
		URL: "nats://someone:s3cret@" + address, Name: "x", Role: RoleIngest, FailFast: true, Registerer: reg,
		Log: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, c)
	if err := c.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "not connected") {
		t.Errorf("Ready before NATS is there: got %v, want an error that says not connected", err)
	}
	started := time.Now()
	if _, err := c.PublishRaw(t.Context(), event(key(1), 1)); err == nil || time.Since(started) >= answerTimeout {
		t.Errorf("PublishRaw before NATS is there: got %v after %s, want an error at once", err, time.Since(started))
	}

	dir := t.TempDir()
	s := serve(t, EmbeddedConfig{Dir: dir, Listen: address, SyncAlways: true})
	eventually(t, "connected", c.nc.IsConnected)
	if err := c.Provision(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	publish(t, c, event(key(1), 1), event(key(2), 1))
	w := work(t, c)
	first := w.take(t, 2)[0]
	if err := first.Publish(t.Context(), enriched(first.Event())); err != nil {
		t.Fatal(err)
	}
	s.Shutdown()
	eventually(t, "not ready", func() bool { return c.Ready(t.Context()) != nil })

	serve(t, EmbeddedConfig{Dir: dir, Listen: address, SyncAlways: true})
	eventually(t, "ready again", func() bool { return c.Ready(t.Context()) == nil })
	if duplicate, err := c.PublishRaw(t.Context(), event(key(1), 1)); err != nil || !duplicate {
		t.Errorf("PublishRaw after the restart: got %v, %v, want a duplicate", duplicate, err)
	}
	publish(t, c, event(key(3), 1))
	eventually(t, "the new event is delivered", func() bool {
		return w.take(t, 1)[0].Event().ID == event(key(3), 1).ID
	})
	if got := testutil.ToFloat64(c.metrics.reconnects); got != 1 {
		t.Errorf("reconnects: got %v, want 1", got)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("metrics: got %v, %v, want nothing to say", problems, err)
	}
	if strings.Contains(logged.String(), "s3cret") {
		t.Errorf("log: got %s, want no secret in it", logged.String())
	}
}

func TestCloseUnregistersAndIsIdempotent(t *testing.T) {
	s := serve(t, EmbeddedConfig{})
	reg := prometheus.NewRegistry()
	for range 2 { // two lives in one process
		c, err := s.Connect(t.Context(), Config{Name: "x", Registerer: reg})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Connect(t.Context(), Config{Name: "x", Registerer: reg}); err == nil {
			t.Error("a second client of the same name: got nil, want an error")
		}
		for range 2 {
			if err := c.Close(t.Context()); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	}
}

func TestProvisionIsIdempotent(t *testing.T) {
	_, c := provisioned(t, small)
	for range 2 {
		if err := c.Provision(t.Context(), small); err != nil {
			t.Fatal(err)
		}
	}
}

func TestProvisionRefusesDrift(t *testing.T) {
	tests := []struct {
		name  string
		asked Topology
		want  []string
	}{
		{"ages and windows", Topology{Partitions: 2, RawAge: 24 * time.Hour, EnrichedAge: 48 * time.Hour, DeadAge: 72 * time.Hour, Duplicates: time.Hour}, []string{
			`ROLLCALL_RAW is not as asked`, `max_age is "168h0m0s", asked for "24h0m0s"`, `duplicate_window is "4h15m0s", asked for "1h0m0s"`,
			`ROLLCALL_ENRICHED is not as asked`, `asked for "48h0m0s"`, `ROLLCALL_DEAD is not as asked`, `asked for "72h0m0s"`,
		}},
		{"partitions", Topology{Partitions: 3}, []string{`ROLLCALL_QUEUE is not as asked`, `partitions is "2", asked for "3"`, `partition(3,4)`}},
		{"consumers", Topology{Partitions: 2, AckWait: time.Minute}, []string{`consumer enricher-0`, `consumer enricher-1`, `ack_wait is "30s", asked for "1m0s"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, c := provisioned(t, small)
			err := c.Provision(t.Context(), tt.asked)
			if err == nil {
				t.Fatal("got nil, want an error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want it to say %q", err, want)
				}
			}
			if err := c.Provision(t.Context(), small); err != nil {
				t.Errorf("what was there: got %v, want it left as it was", err)
			}
		})
	}
}

func TestTopologyNamesEveryProblem(t *testing.T) {
	err := Topology{Partitions: 500, Replicas: 2, RawAge: time.Hour, EnrichedAge: time.Minute, DeadAge: time.Millisecond, Duplicates: 2 * time.Hour, AckWait: 1}.Validate()
	for _, field := range []string{"Partitions", "Replicas", "EnrichedAge", "DeadAge", "Duplicates", "AckWait"} {
		if err == nil || !strings.Contains(err.Error(), field+" ") {
			t.Errorf("got %v, want it to name %s", err, field)
		}
	}
	if err := (Topology{DeadAge: time.Minute, Duplicates: time.Hour}).Validate(); err == nil || !strings.Contains(err.Error(), "Duplicates") {
		t.Errorf("ids remembered for longer than DEAD keeps letters: got %v, want Duplicates named, for no server takes that", err)
	}
	if err := (Topology{DeadAge: time.Minute}).Validate(); err != nil {
		t.Errorf("letters kept for less long than RAW: got %v, want nil", err)
	}
	if err := (Topology{RawAge: 30 * day}).Validate(); err != nil {
		t.Errorf("a longer RawAge alone: got %v, want the other ages to follow", err)
	}
}

// A server that crashes before it has noted how far QUEUE has come starts from what it finds there. Here QUEUE is empty, and its
// last message was stored later than what RAW holds and QUEUE has not taken: nothing of it may be skipped.
func TestNothingIsSkippedWhenTheNotesAreLost(t *testing.T) {
	_, c := provisioned(t, small)
	without := small.withDefaults().queue()
	without.Sources, without.Subjects = nil, []string{"unused"}
	queue, err := c.js.UpdateStream(t.Context(), without)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, c, event(key(1), 1), event(key(2), 1))
	if _, err := c.js.Publish(t.Context(), "unused", nil); err != nil {
		t.Fatal(err)
	}
	if err := queue.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.js.UpdateStream(t.Context(), small.withDefaults().queue()); err != nil {
		t.Fatal(err)
	}
	work(t, c).take(t, 2)
}

// What is on disk at any moment is enough: a copy of a running server's store stands for a crash.
func TestNothingIsLostWhenTheServerCrashes(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, EmbeddedConfig{Dir: dir, SyncAlways: true})
	c := dial(t, s, "before")
	if err := c.Provision(t.Context(), Topology{Partitions: 2, AckWait: time.Second}); err != nil {
		t.Fatal(err)
	}
	publish(t, c, event(key(1), 1), event(key(2), 1), event(key(1), 2))
	w := work(t, c)
	for _, task := range w.take(t, 3)[:2] {
		if err := task.Publish(t.Context(), enriched(task.Event())); err != nil && !errors.Is(err, ErrNotHead) {
			t.Fatal(err)
		}
	}
	w.stop()
	c = dial(t, serve(t, EmbeddedConfig{Dir: crashed(t, dir), SyncAlways: true}), "after")
	w = work(t, c)
	eventually(t, "every event is enriched", func() bool {
		for done := false; !done; {
			select {
			case task := <-w.tasks:
				if err := task.Publish(t.Context(), enriched(task.Event())); errors.Is(err, ErrNotHead) {
					_ = task.Release()
				}
			default:
				done = true
			}
		}
		return messages(t, c, enrichedStream) == 3 && messages(t, c, queueStream) == 0
	})
	if got, want := ids(t, c, enrichedStream, outcomesOn(key(1))), []string{event(key(1), 1).ID, event(key(1), 2).ID}; !slices.Equal(got, want) {
		t.Errorf("ENRICHED on the key: got %v, want %v", got, want)
	}
}

func TestWorkEndsWithItsContext(t *testing.T) {
	_, c := provisioned(t, small)
	w := work(t, c)
	w.stop()
	publish(t, c, event(key(1), 1))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	select {
	case <-w.tasks:
		t.Error("got a task after Work returned, want none")
	case <-ctx.Done():
	}
}

// What a stopping process has pulled but not handed over is there for the next one at once, not after AckWait.
func TestWorkGivesBackWhatItDidNotHandOver(t *testing.T) {
	s, c := provisioned(t, Topology{Partitions: 1, AckWait: time.Hour})
	for i := range 10 {
		publish(t, c, event(key(i), 1))
	}
	ctx, cancel := context.WithCancel(t.Context())
	taken := 0
	err := dial(t, s, "a").Work(ctx, func(*Task) {
		if taken++; taken == 3 {
			cancel()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, task := range work(t, dial(t, s, "b")).take(t, 10-taken) {
		got[task.Event().ID] = true
	}
	if len(got) != 10-taken {
		t.Errorf("got %d events, want the %d that were not handed over", len(got), 10-taken)
	}
}

func TestWorkFindsConsumersThatCameBack(t *testing.T) {
	_, c := provisioned(t, small)
	w := work(t, c)
	publish(t, c, event(key(1), 1))
	w.take(t, 1)
	for p := range small.Partitions {
		if err := c.js.DeleteConsumer(t.Context(), queueStream, consumerName(p)); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, c, event(key(1), 2))
	if err := c.Provision(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	for i, task := range w.take(t, 2) {
		if got, want := task.Event().ID, event(key(1), i+1).ID; got != want {
			t.Errorf("task %d: got %s, want %s", i, got, want)
		}
	}
}

func TestEveryKeyHasOnePartition(t *testing.T) {
	_, c := provisioned(t, Topology{Partitions: 8})
	const keys = 64
	for i := range keys {
		first, second := event(key(i), 1), event(key(i), 2)
		second.Resource, second.Action, second.Name = "participant", "removed", "onParticipantRemoved"
		second.Refs.ParticipantSID = "MB0123456789abcdef0123456789abcdef"
		second.Refs.MessageSID = ""
		publish(t, c, first, second)
	}
	subjects, used := map[string]string{}, map[string]bool{}
	for _, task := range work(t, c).take(t, 2*keys) {
		subject := task.subject
		if was, ok := subjects[task.key()]; ok && was != subject {
			t.Errorf("key %s: got %s, want %s", task.key(), subject, was)
		}
		subjects[task.key()] = subject
		used[strings.Split(subject, ".")[2]] = true
	}
	if len(used) < 6 {
		t.Errorf("got %d partitions in use for %d keys, want most of 8", len(used), keys)
	}
}

func TestCheckpointCacheIsBounded(t *testing.T) {
	c := newCheckpointCache(2)
	for i := range 3 {
		c.put(fmt.Sprint(i), checkpoint{fence: uint64(i)})
		c.get("0") // used all the time
	}
	if _, ok := c.get("1"); ok {
		t.Error("the one not used for longest: got it, want it gone")
	}
	if cp, ok := c.get("0"); !ok || cp.fence != 0 {
		t.Errorf("the one used last: got %v, %v, want it", cp, ok)
	}
	c.drop("0")
	if _, ok := c.get("0"); ok || c.order.Len() != 1 {
		t.Errorf("after drop: got %v and %d left, want none and 1", ok, c.order.Len())
	}
}
