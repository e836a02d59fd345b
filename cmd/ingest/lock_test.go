//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/cmd/internal/process"
)

// Two servers that write one store would lose what they keep.
func TestTwoProcessesDoNotShareAnOutbox(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "outbox")
	env := environment("ROLLCALL_OUTBOX_DIR", dir)
	first := serving(t, env)
	second := start(t, env)
	if code := second.ended(t); code != process.Failed || !strings.Contains(second.stderr.String(), "another process uses this directory") {
		t.Errorf("got exit code %d, want %d and why\n%s", code, process.Failed, second.stderr.String())
	}
	if code := first.stop(t); code != process.OK {
		t.Errorf("got exit code %d, want %d\n%s", code, process.OK, first.stderr.String())
	}
	serving(t, env) // the directory is free again
}
