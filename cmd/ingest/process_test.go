//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/rollcall-events/rollcall/internal/broker"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(broker.MayOutlive), goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(built.dir)
		os.Exit(code)
	}))
}

// built is the command as users run it: not instrumented, a process of its own.
var built struct {
	once sync.Once
	dir  string
	err  error
}

func binary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "rollcall-ingest-"); built.err != nil { //nolint:usetesting // it outlives the test
			return
		}
		if out, err := exec.Command("go", "build", "-o", built.dir, ".").CombinedOutput(); err != nil {
			built.err = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "ingest")
}

// child is a command that runs as a process of its own.
type child struct {
	*command
	pid int
}

// launched starts a process and waits until it listens. When the test ends it is killed, unless it has ended.
func launched(t *testing.T, env map[string]string) *child {
	t.Helper()
	cmd := exec.Command(binary(t))
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	c := &command{env: env, exit: make(chan int, 1)}
	cmd.Stdout, cmd.Stderr = &c.stdout, &c.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		c.exit <- cmd.ProcessState.ExitCode()
		close(ended)
	}()
	c.cancel = func() { _ = cmd.Process.Signal(syscall.SIGTERM) }
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("the end of the log:\n%s", tail(c.stderr.String()))
		}
	})
	c.awaitListening(t)
	return &child{command: c, pid: cmd.Process.Pid}
}

func tail(text string) string { return text[max(0, len(text)-2000):] }

// memory returns a figure of /proc/<pid>/status, in MiB.
func (c *child) memory(t *testing.T, name string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(status) {
		if value, ok := strings.CutPrefix(string(line), name+":"); ok {
			kib, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kib >> 10
		}
	}
	t.Fatalf("got no %s in\n%s", name, status)
	return 0
}

// wantFlat calls f and checks that resident memory never grows by more than most MiB meanwhile.
func (c *child) wantFlat(t *testing.T, most int, f func()) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", c.pid), []byte("5"), 0); err != nil { // the peak begins anew
		t.Fatal(err)
	}
	before := c.memory(t, "VmRSS")
	f()
	peak, after := c.memory(t, "VmHWM"), c.memory(t, "VmRSS")
	t.Logf("resident memory: %d MiB before, %d MiB at the peak, %d MiB after", before, peak, after)
	if peak-before > most {
		t.Errorf("got %d MiB more at the peak, want at most %d MiB", peak-before, most)
	}
}
