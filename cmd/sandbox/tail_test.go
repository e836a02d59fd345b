package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/internal/broker"
)

// The services' readiness is asked by messages without a body on the subjects of events: nobody wants to see them, or to
// have them counted.
func TestTailSkipsProbes(t *testing.T) {
	server, err := broker.StartEmbedded(t.Context(), broker.EmbeddedConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", Name: "tail"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	nc, err := nats.Connect(server.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)

	tail := start(t, "tail", "--nats-url", server.ClientURL(), "--count", "1")
	tail.find(t, "waiting for") // by then the server knows of it
	for _, said := range []nats.Msg{
		{Subject: "rollcall.enriched.probe.probe.probe.probe"},
		{Subject: "rollcall.enriched.conversations.message.added.CH", Data: []byte("{}")},
	} {
		if err := nc.PublishMsg(&said); err != nil {
			t.Fatal(err)
		}
	}
	tail.wait(t)
	if got := tail.String(); strings.Contains(got, "probe") || !strings.Contains(got, "message.added") {
		t.Errorf("got %q, want the event alone", got)
	}
}

// What is stored is filtered by the subject like what comes.
func TestTailOfAllKeepsToItsSubject(t *testing.T) {
	server := limited(t)
	js := admin(t, server)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ENRICHED", Subjects: []string{"rollcall.enriched.>", "rollcall.buried.>"}}); err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"rollcall.enriched.conversations.message.added.CH", "rollcall.buried.flex.a.b.c", "rollcall.enriched.flex.channel.created.UO"} {
		if _, err := js.Publish(t.Context(), subject, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	out := runs(t, "tail", "--nats-url", userURL(server, "admin"), "--all", "--subject", "rollcall.enriched.flex.>", "--count", "1")
	if !strings.Contains(out, "rollcall.enriched.flex.channel") || strings.Contains(out, "conversations") || strings.Contains(out, "buried") {
		t.Errorf("got %q, want the event of Flex alone", out)
	}
	for _, subject := range []string{"rollcall.>", "rollcall.*.flex.>", "rollcall.queue.>"} {
		var told bytes.Buffer
		err := run(t.Context(), []string{"tail", "--all", "--subject", subject}, noEnv, &told, &told)
		if exitCode(err, &told) != exitUsage || !strings.Contains(told.String(), "--subject") {
			t.Errorf("%s: got %v, want that --all takes one stage", subject, err)
		}
	}
}

// An error says which server, or which right, and comes at once.
func TestWhatNATSDoesNotDoIsSaid(t *testing.T) {
	server := limited(t)
	nobody := "nats://127.0.0.1:1"
	load := []string{"load", "--target", "http://127.0.0.1:1", "--duration", "10ms"}
	for name, c := range map[string]struct {
		args []string
		says []string
	}{
		"tail, no server":    {[]string{"tail", "--nats-url", nobody}, []string{"connect to NATS", "127.0.0.1:1", "start the server"}},
		"load, no server":    {append(load, "--nats-url", nobody), []string{"connect to NATS", "127.0.0.1:1", "start the server"}},
		"tail, wrong login":  {[]string{"tail", "--nats-url", strings.Replace(userURL(server, "admin"), "5ecret", "5ecrets", 1)}, []string{server.Addr().String(), "correct the user or the password"}},
		"tail, no right":     {[]string{"tail", "--nats-url", userURL(server, "limited")}, []string{"rollcall.enriched"}},
		"tail all, no right": {[]string{"tail", "--all", "--nats-url", userURL(server, "limited")}, []string{"NATS does not allow", "$JS.API.STREAM.NAMES", "give its user the permission"}},
		"load, no right":     {append(load, "--nats-url", userURL(server, "limited")), []string{"NATS does not allow", "$JS.API.STREAM.NAMES", "give its user the permission"}},
		"send, no right":     {[]string{"send", "--verify", "--nats-url", userURL(server, "limited")}, []string{"NATS does not allow", "$JS.API.STREAM.NAMES"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out, told bytes.Buffer
			began := time.Now()
			if exitCode(run(t.Context(), c.args, noEnv, &out, &out), &told) != exitFailed {
				t.Errorf("got a good end, want an error; output:\n%s", &out)
			}
			for _, want := range c.says {
				if !strings.Contains(told.String(), want) {
					t.Errorf("got %q, want %q in it", &told, want)
				}
			}
			if strings.Contains(told.String(), "5ecret") {
				t.Errorf("got the password in %q", &told)
			}
			if took := time.Since(began); took > 4*time.Second { // an API call times out after 5 s
				t.Errorf("got it after %s, want it at once", took)
			}
		})
	}
}

// limited is a NATS server with the users admin and limited, who has no rights but its inbox.
func limited(t *testing.T) *natsserver.Server {
	t.Helper()
	opts := &natsserver.Options{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}
	opts.Users = []*natsserver.User{{Username: "admin", Password: "5ecret"}, {Username: "limited", Password: "5ecret", Permissions: &natsserver.Permissions{
		Publish:   &natsserver.SubjectPermission{Allow: []string{"nothing"}},
		Subscribe: &natsserver.SubjectPermission{Allow: []string{"_INBOX_consumer.>"}},
	}}}
	server, err := natsserver.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(func() { server.Shutdown(); server.WaitForShutdown() })
	if !server.ReadyForConnections(time.Minute) {
		t.Fatal("the server did not start")
	}
	return server
}

func userURL(server *natsserver.Server, user string) string {
	return "nats://" + user + ":5ecret@" + server.Addr().String()
}

func admin(t *testing.T, server *natsserver.Server) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(userURL(server, "admin"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}
