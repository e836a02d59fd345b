package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-events/rollcall/events"
)

// deployed starts a server with the configuration that we deploy, but for where it listens and stores.
func deployed(t *testing.T) *Embedded {
	t.Helper()
	for _, user := range []string{"INGEST", "ENRICHER", "PROVISIONER", "OPERATOR", "CONSUMER", "ADMIN"} {
		t.Setenv("ROLLCALL_NATS_"+user+"_PASSWORD", "pw-"+strings.ToLower(user))
	}
	opts, err := server.ProcessConfigFile("../../deploy/nats/nats-server.conf")
	if err != nil {
		t.Fatal(err)
	}
	if !opts.SyncAlways || opts.StoreDir != "/data" || opts.HTTPPort != 8222 || opts.MaxPayload != maxPayload {
		t.Errorf("got sync always %v, store %s, monitoring %d, payload %d, want true, /data, 8222, %d",
			opts.SyncAlways, opts.StoreDir, opts.HTTPPort, opts.MaxPayload, maxPayload)
	}
	opts.Host, opts.Port, opts.HTTPPort, opts.StoreDir = "127.0.0.1", server.RANDOM_PORT, 0, t.TempDir()
	opts.NoSigs, opts.NoLog = true, true
	s, err := startEmbedded(t.Context(), opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

// as connects as one of the configured users.
func as(t *testing.T, s *Embedded, user string, role Role) *Conn {
	t.Helper()
	u, err := url.Parse(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, "pw-"+user)
	c, err := Connect(t.Context(), Config{URL: u.String(), Name: user, Role: role, FailFast: true})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, c)
	eventually(t, user+" is connected", c.nc.IsConnected)
	return c
}

func TestEachUserCanDoItsWorkAndNoMore(t *testing.T) {
	s := deployed(t)
	provisioner := as(t, s, "provisioner", RoleProvisioner)
	ingest := as(t, s, "ingest", RoleIngest)
	enricher := as(t, s, "enricher", RoleEnricher)

	if err := ingest.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "provision") {
		t.Errorf("Ready of ingest without streams: got %v, want an error that says to provision", err)
	}
	if err := as(t, s, "enricher", RoleEnricher).Provision(t.Context(), small); err == nil || !strings.Contains(err.Error(), `run "enricher provision"`) || !strings.Contains(err.Error(), "--no-provision") {
		t.Errorf("Provision as enricher: got %v, want an error that says who provisions, and how to start then", err)
	}
	for range 2 {
		if err := provisioner.Provision(t.Context(), small); err != nil {
			t.Fatalf("Provision: %v", err)
		}
	}
	for name, c := range map[string]*Conn{"ingest": ingest, "enricher": enricher, "provisioner": provisioner} {
		if err := c.Ready(t.Context()); err != nil {
			t.Errorf("Ready of %s: %v", name, err)
		}
	}
	if got := messages(t, enricher, enrichedStream); got != 0 {
		t.Errorf("ENRICHED after the probes: got %d messages, want 0", got)
	}

	publish(t, ingest, event(key(1), 1), event(key(1), 2), event(key(2), 1))
	w := work(t, enricher)
	tasks := w.take(t, 3)
	slices.SortFunc(tasks, func(a, b *Task) int { return int(a.Sequence()) - int(b.Sequence()) })
	if got := known(enricher); got != 1 {
		t.Errorf("got %d members, want the enricher itself", got)
	}
	if err := tasks[0].Extend(); err != nil {
		t.Error(err)
	}
	moved := make(chan struct{}, 1)
	stop := tasks[1].Watch(func() { moved <- struct{}{} })
	if err := tasks[0].Publish(t.Context(), enriched(tasks[0].Event())); err != nil {
		t.Errorf("Publish: %v", err)
	}
	select {
	case <-moved:
	case <-time.After(10 * time.Second):
		t.Error("Watch: got nothing, want told of the publish")
	}
	stop()
	if err := ingest.PublishDead(t.Context(), letter(event(key(1), 9))); err != nil {
		t.Errorf("PublishDead: %v", err)
	}
	if err := tasks[1].Bury(t.Context(), letter(tasks[1].Event())); err != nil {
		t.Errorf("Bury: %v", err)
	}
	buried(t, tasks[2])
	tasks[2].forget()
	if _, err := tasks[2].Head(t.Context()); !errors.Is(err, ErrDone) {
		t.Errorf("Head of what was buried by one that died: got %v, want %v", err, ErrDone)
	}
	eventually(t, "QUEUE is empty", func() bool { return messages(t, enricher, queueStream) == 0 })
	if ok, err := enricher.queueHas(t.Context(), tasks[0].queue); ok || err != nil {
		t.Errorf("ask the leader: got %v, %v, want false, nil", ok, err)
	}
	audited(t, s, ingest, enricher, w)
	for name, c := range map[string]*Conn{"ingest": ingest, "enricher": enricher, "provisioner": provisioner} {
		if err := c.denials.err(); err != nil {
			t.Errorf("%s was denied: %v", name, err)
		}
	}
	operate(t, s)
	forbidden(t, s)
	consume(t, s)
	administer(t, s)
}

// audited has the enricher find two events that were lost, one in each way that there is.
func audited(t *testing.T, s *Embedded, ingest, enricher *Conn, w *worker) {
	t.Helper()
	covered, last, other := event(key(6), 1), event(key(7), 1), event(key(6), 2)
	publish(t, ingest, covered, last, other)
	admin := as(t, s, "admin", "")
	lose(t, admin, covered)
	lose(t, admin, last)
	task := w.take(t, 1)[0]
	for task.Event().ID != other.ID { // those that were lost may have been delivered before
		task = w.take(t, 1)[0]
	}
	do(t, task)
	a := newAudit(enricher, 0)
	round(t, a)
	round(t, a)
	wantMissed(t, admin, covered.ID, last.ID)
}

// forbidden tries what each user must not do.
func forbidden(t *testing.T, s *Embedded) {
	t.Helper()
	raw, enriched, buried := event(key(5), 1).Subject(events.StageRaw), event(key(5), 1).Subject(events.StageEnriched), event(key(5), 1).Subject(stageBuried)
	for user, subjects := range map[string][]string{
		"ingest": {
			enriched, buried, auditFloor, "rollcall.queue.0.d", "$JS.API.STREAM.INFO.ROLLCALL_RAW", "$JS.API.DIRECT.GET.ROLLCALL_RAW",
			"$JS.API.STREAM.MSG.GET.ROLLCALL_RAW", "$JS.API.CONSUMER.CREATE.ROLLCALL_RAW", "$JS.API.STREAM.DELETE.ROLLCALL_RAW",
			"$KV.ROLLCALL_MEMBERS.x",
		},
		"enricher": {
			raw, "$JS.API.STREAM.DELETE.ROLLCALL_QUEUE", "$JS.API.STREAM.PURGE.ROLLCALL_QUEUE", "$JS.API.STREAM.UPDATE.ROLLCALL_QUEUE",
			"$JS.API.CONSUMER.DELETE.ROLLCALL_QUEUE.enricher-0", "$JS.API.STREAM.MSG.DELETE.ROLLCALL_QUEUE", "$JS.API.STREAM.CREATE.OTHER",
			"$JS.API.CONSUMER.CREATE.KV_ROLLCALL_MEMBERS", "$JS.API.STREAM.PURGE.KV_ROLLCALL_MEMBERS", "$JS.API.STREAM.DELETE.KV_ROLLCALL_MEMBERS",
			"$JS.API.STREAM.MSG.DELETE.ROLLCALL_ENRICHED", "$JS.API.STREAM.MSG.DELETE.ROLLCALL_RAW", "$JS.API.CONSUMER.CREATE.ROLLCALL_ENRICHED",
			"$JS.API.CONSUMER.CREATE.ROLLCALL_RAW",
		},
		"provisioner": {
			raw, enriched, buried, "$JS.API.STREAM.DELETE.ROLLCALL_RAW", "$JS.API.STREAM.UPDATE.ROLLCALL_RAW", "$JS.API.STREAM.PURGE.ROLLCALL_RAW", "$JS.API.STREAM.CREATE.OTHER",
			"$KV.ROLLCALL_MEMBERS.x",
		},
		"operator": {
			enriched, buried, letter(event(key(5), 1)).Subject(), "rollcall.dead.tombstone.letter.removed.x", "rollcall.queue.0.d", "$JS.API.STREAM.DELETE.ROLLCALL_DEAD", "$JS.API.STREAM.PURGE.ROLLCALL_DEAD",
			"$JS.API.STREAM.UPDATE.ROLLCALL_DEAD", "$JS.API.STREAM.MSG.DELETE.ROLLCALL_RAW", "$JS.API.STREAM.MSG.DELETE.ROLLCALL_ENRICHED", "$JS.API.DIRECT.GET.ROLLCALL_RAW",
			"$JS.API.DIRECT.GET.ROLLCALL_ENRICHED", "$JS.API.CONSUMER.CREATE.ROLLCALL_DEAD", "$JS.API.CONSUMER.CREATE.ROLLCALL_RAW",
		},
		"consumer": {
			raw, enriched, buried, auditFloor, "$JS.API.STREAM.DELETE.ROLLCALL_ENRICHED", "$JS.API.STREAM.PURGE.ROLLCALL_ENRICHED", "$JS.API.STREAM.MSG.DELETE.ROLLCALL_ENRICHED",
			"$KV.ROLLCALL_MEMBERS.x",
		},
	} {
		c := as(t, s, user, "")
		for _, subject := range subjects {
			err := c.denials.do(t.Context(), publishing(subject), func(ctx context.Context) error {
				ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
				defer cancel()
				_, err := c.nc.RequestWithContext(ctx, subject, []byte("{}"))
				return err
			})
			var denied *deniedError
			if !errors.As(err, &denied) {
				t.Errorf("%s requests %s: got %v, want it denied", user, subject, err)
			}
		}
		for _, subject := range []string{"rollcall.raw.>", "rollcall.queue.>", "_INBOX_other.>", "$JS.>"} {
			if _, err := c.nc.SubscribeSync(subject); err != nil {
				t.Fatal(err)
			}
			eventually(t, user+" is denied to subscribe to "+subject, func() bool {
				err := c.denials.err()
				return err != nil && strings.Contains(err.Error(), subscribing(subject))
			})
		}
		if err := c.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "does not allow") {
			t.Errorf("Ready of %s after forbidden operations: got %v, want an error that names them", user, err)
		}
	}
}

// operate looks after the letters of TestEachUserCanDoItsWorkAndNoMore: one of ingest, two of an enricher, two of its audit.
func operate(t *testing.T, s *Embedded) {
	t.Helper()
	c := as(t, s, "operator", "")
	all := letters(t, c, DeadFilter{})
	if len(all) != 5 {
		t.Fatalf("got %d letters, want 5", len(all))
	}
	if b, err := c.DeadLetter(t.Context(), all[0].Sequence); err != nil || b.Letter.ID != all[0].Letter.ID {
		t.Errorf("DeadLetter: got %+v, %v, want %+v", b, err, all[0])
	}
	if err := c.ReplayDead(t.Context(), these(all[0]), func(_ Buried, err error) {
		if err != nil {
			t.Errorf("ReplayDead: %v", err)
		}
	}); err != nil {
		t.Errorf("ReplayDead: %v", err)
	}
	if err := c.RemoveDead(t.Context(), these(all[1:]...), func(Buried) {}); err != nil {
		t.Errorf("RemoveDead: %v", err)
	}
	if left := letters(t, c, DeadFilter{}); len(left) != 0 {
		t.Errorf("got %d letters left, want none", len(left))
	}
	if err := c.denials.err(); err != nil {
		t.Errorf("the operator was denied: %v", err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("Ready of operator: %v", err)
	}
}

// consume reads the product as its user.
func consume(t *testing.T, s *Embedded) {
	t.Helper()
	c := as(t, s, "consumer", "")
	cons, err := c.js.CreateOrUpdateConsumer(t.Context(), enrichedStream, jetstream.ConsumerConfig{Durable: "mine", FilterSubject: "rollcall.enriched.>"})
	if err != nil {
		t.Fatal(err)
	}
	msg, err := cons.Next()
	if err != nil {
		t.Fatal(err)
	}
	if err := msg.DoubleAck(t.Context()); err != nil {
		t.Errorf("DoubleAck: %v", err)
	}
	if name, err := c.js.StreamNameBySubject(t.Context(), "rollcall.enriched.>"); err != nil || name != enrichedStream {
		t.Errorf("stream of rollcall.enriched.>: got %q, %v, want %q", name, err, enrichedStream)
	}
	if err := c.denials.err(); err != nil {
		t.Errorf("the consumer was denied: %v", err)
	}
}

// administer does as an administrator what no other user may: it changes a stream, and removes one.
func administer(t *testing.T, s *Embedded) {
	t.Helper()
	c := as(t, s, "admin", "")
	raw, err := c.js.Stream(t.Context(), rawStream)
	if err != nil {
		t.Fatal(err)
	}
	cfg := raw.CachedInfo().Config
	cfg.MaxAge *= 2
	if _, err := c.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Errorf("UpdateStream: %v", err)
	}
	if err := c.js.DeleteStream(t.Context(), queueStream); err != nil {
		t.Errorf("DeleteStream: %v", err)
	}
	if err := c.denials.err(); err != nil {
		t.Errorf("the administrator was denied: %v", err)
	}
}

// A denied publish is known at once, and keeps Ready red until the same operation succeeds.
func TestADenialStandsUntilTheOperationSucceeds(t *testing.T) {
	opts := &server.Options{DontListen: true, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}
	admin := &server.User{Username: "admin", Password: "x"}
	user := func(publish ...string) *server.User {
		return &server.User{Username: "ingest", Password: "x", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: publish}}}
	}
	opts.Users = []*server.User{admin, user("rollcall.dead.>")}
	s, err := startEmbedded(t.Context(), opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	connectAs := func(name string, role Role) *Conn {
		c, err := connect(t.Context(), Config{Name: name, Role: role, FailFast: true}, nats.InProcessServer(s.server), nats.UserInfo(name, "x"))
		if err != nil {
			t.Fatal(err)
		}
		closeAtEnd(t, c)
		return c
	}
	if err := connectAs("admin", "").Provision(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	c := connectAs("ingest", RoleIngest)
	started := time.Now()
	_, err = c.PublishRaw(t.Context(), event(key(1), 1))
	var denied *deniedError
	if !errors.As(err, &denied) || time.Since(started) >= answerTimeout {
		t.Fatalf("PublishRaw: got %v after %s, want it denied at once", err, time.Since(started))
	}
	if strings.Contains(err.Error(), key(1)) {
		t.Errorf("PublishRaw: got %q, want no identifier in it", err)
	}
	if err := c.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "publish to rollcall.raw") {
		t.Errorf("Ready: got %v, want an error that names the operation", err)
	}

	opts = opts.Clone()
	opts.Users = []*server.User{admin, user("rollcall.raw.>", "rollcall.dead.>")}
	if err := s.server.ReloadOptions(opts); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Ready is nil", func() bool { return c.Ready(t.Context()) == nil })
}

// A denial is an ERROR line when it begins, and not for each of the thousand webhooks that meet it.
func TestADenialIsLoggedOnce(t *testing.T) {
	s := deployed(t)
	if err := as(t, s, "provisioner", RoleProvisioner).Provision(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	u, err := url.Parse(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("consumer", "pw-consumer") // who may not store anything
	c, err := Connect(t.Context(), Config{URL: u.String(), Name: "consumer", Role: RoleIngest, FailFast: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, c)
	eventually(t, "connected", c.nc.IsConnected)
	for i := range 20 {
		var denied *deniedError
		if _, err := c.PublishRaw(t.Context(), event(key(i), 1)); !errors.As(err, &denied) {
			t.Fatalf("PublishRaw: got %v, want it denied", err)
		}
	}
	if n := strings.Count(log.String(), "NATS denied an operation"); n != 1 {
		t.Errorf("got %d lines for one denial, want 1:\n%s", n, log.String())
	}
	if got := testutil.ToFloat64(c.metrics.problems.WithLabelValues("denied")); got != 20 {
		t.Errorf("got %v denials counted, want 20", got)
	}
}

// A password that is changed while we are connected: each attempt to log in is refused, the first is logged.
func TestARefusedLoginIsLoggedOnce(t *testing.T) {
	opts := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}
	opts.Users = []*server.User{{Username: "ingest", Password: "before"}}
	s, err := startEmbedded(t.Context(), opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	var log lockedBuffer
	c, err := Connect(t.Context(), Config{
		URL: strings.Replace(s.ClientURL(), "nats://", "nats://ingest:before@", 1), Name: "ingest", Role: RoleIngest, FailFast: true,
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, c)
	eventually(t, "connected", c.nc.IsConnected)
	logins := func() uint64 {
		v, err := s.server.Varz(nil)
		if err != nil {
			t.Fatal(err)
		}
		return v.TotalConnections
	}
	reload := func(password string) {
		opts = opts.Clone()
		opts.Users = []*server.User{{Username: "ingest", Password: password}}
		if err := s.server.ReloadOptions(opts); err != nil {
			t.Fatal(err)
		}
	}
	before := logins()
	reload("after")
	eventually(t, "several attempts", func() bool { return logins() >= before+5 })
	if err := c.Ready(t.Context()); err == nil || !strings.Contains(strings.ToLower(err.Error()), "authorization") {
		t.Errorf("Ready: got %v, want an error that says that the login is refused", err)
	}
	for _, line := range []string{"NATS reported a problem", "lost the connection"} {
		if n := strings.Count(log.String(), line); n > 1 {
			t.Errorf("got %d lines %q, want 1:\n%s", n, line, log.String())
		}
	}
	reload("before")
	eventually(t, "connected again", c.nc.IsConnected)
}

func TestDeniedOperation(t *testing.T) {
	const next, ack = "$JS.API.CONSUMER.MSG.NEXT.ROLLCALL_QUEUE.enricher-0", "$JS.ACK.ROLLCALL_QUEUE.enricher-0.1.2.3.4.5"
	tests := []struct{ text, want, subject string }{
		{`Permissions Violation for Publish to "rollcall.raw.a.b.c.CH0"`, "publish to rollcall.raw.>", "rollcall.raw.a.b.c.CH0"},
		{`permissions violation for publish to "` + next + `"`, "publish to $JS.API.CONSUMER.MSG.NEXT.ROLLCALL_QUEUE.>", next},
		{`Permissions Violation for Publish to "` + ack + `"`, "publish to $JS.ACK.>", ack},
		{`Permissions Violation for Subscription to "_INBOX_x.abc.*"`, "subscribe to _INBOX_x.>", ""},
		{`Permissions Violation for Subscription to "foo" using queue "bar"`, "subscribe to foo", ""},
		{`Permissions Violation`, "use a subject", ""},
	}
	for _, tt := range tests {
		got, subject, ok := deniedOperation(fmt.Errorf("%w: %s", nats.ErrPermissionViolation, tt.text))
		if !ok || got != tt.want || subject != tt.subject {
			t.Errorf("%s: got %q on %q, %v, want %q on %q", tt.text, got, subject, ok, tt.want, tt.subject)
		}
	}
	if _, _, ok := deniedOperation(nats.ErrTimeout); ok {
		t.Error("a timeout: got a denial, want none")
	}
}
