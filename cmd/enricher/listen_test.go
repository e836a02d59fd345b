package main

import (
	"net"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/cmd/internal/process"
)

func TestPortThatIsTaken(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	_, text, code := ask(t, map[string]string{"TWILIO_AUTH_TOKEN": token, "ROLLCALL_OPS_LISTEN": address})
	if want := "enricher: ROLLCALL_OPS_LISTEN: listen tcp " + address; code != process.Failed || !strings.Contains(text, want) {
		t.Errorf("got exit code %d and %q, want %d and %q", code, text, process.Failed, want)
	}
	if lines := strings.Split(strings.TrimSpace(text), "\n"); !strings.Contains(lines[0], `"starting"`) || !strings.Contains(lines[len(lines)-2], `"stopped"`) {
		t.Errorf("got %q, want a log from starting to stopped", text)
	}
}
