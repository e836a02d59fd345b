package main

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

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
