//go:build linux

package broker

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
)

// inChild names the environment variable of a test's own process.
const inChild = "ROLLCALL_TEST_CHILD"

// ownProcess runs the test once more in a process of its own, of which limits may be set, and reports whether this is it.
func ownProcess(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inChild) != "" {
		return true
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), inChild+"=1")
	out, err := child.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("in a process of its own: %v\n%s", err, out)
	}
	return false
}

// limitFiles lets no file of this process grow beyond size, until lift is called: a write there fails, as one does on a disk that is full.
func limitFiles(t *testing.T, size uint64) (lift func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ) //nolint:forbidigo // else such a write ends the process
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	set := func(soft uint64) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: soft, Max: before.Max}); err != nil {
			t.Fatal(err)
		}
	}
	set(size)
	return func() { set(before.Cur) }
}

// A disk that refuses to be written to costs only what comes in until it is well again. Who asks meanwhile is told so, and at once.
func TestOutboxMendsItself(t *testing.T) {
	if !ownProcess(t) {
		return
	}
	n := natsAway(t)
	o := openOutbox(t, n.conn, t.TempDir())
	drain(t, o)
	lift := limitFiles(t, 256<<10)
	large := func(i int) events.Event {
		e := event(key(1), i)
		e.Payload = fmt.Appendf(nil, `{"Body":%q}`, strings.Repeat("x", 100<<10))
		return e
	}
	var want []string
	store := func(i int, limit time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		err := o.Put(ctx, large(i))
		if err == nil {
			want = append(want, large(i).ID)
		}
		return err
	}
	i := 0
	for ; store(i, time.Second) == nil; i++ {
		if i == 10 {
			t.Fatal("got 1 MiB into files of 256 KiB")
		}
	}
	eventually(t, "readiness tells", func() bool {
		err := o.Ready(t.Context())
		return err != nil && strings.Contains(err.Error(), "cannot write to its disk")
	})
	if err := store(100, time.Minute); err == nil || !strings.Contains(err.Error(), "cannot write to its disk") {
		t.Errorf("Put: got %v, want that the outbox cannot write to its disk", err)
	}

	lift()
	eventually(t, "the outbox is ready", func() bool { return o.Ready(t.Context()) == nil })
	for i := range 5 {
		if err := store(200+i, time.Minute); err != nil {
			t.Fatalf("Put: %v", err)
		}
	}
	n.start()
	eventually(t, "the outbox is empty", func() bool { return !o.waiting.Load() })
	got := ids(t, n.conn, rawStream, ">")
	got = slices.DeleteFunc(got, func(id string) bool { return id == large(i).ID }) // its Put failed: it may be there
	if !slices.Equal(got, want) {
		t.Errorf("RAW: got %v, want %v", got, want)
	}
}

// While the disk is broken and holds nothing, what comes in goes to NATS, however much NATS was away meanwhile.
func TestABrokenOutboxKeepsNothingFromNATS(t *testing.T) {
	n := natsAway(t)
	o := openOutbox(t, n.conn, t.TempDir())
	o.broken.Store(true)
	if err := o.Put(t.Context(), event(key(1), 1)); err == nil {
		t.Error("Put without NATS: got nil, want an error")
	}
	n.start()
	put(t, o, event(key(1), 2))
	if got, want := ids(t, n.conn, rawStream, ">"), []string{event(key(1), 2).ID}; !slices.Equal(got, want) {
		t.Errorf("RAW: got %v, want %v", got, want)
	}
}
