package broker

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// putWithin fails the test where Put does not return by the end of its context.
func putWithin(t *testing.T, o *Outbox, n int, limit time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	returned := make(chan error, 1)
	go func() { returned <- o.Put(ctx, event(key(1), n)) }()
	select {
	case err := <-returned:
		return err
	case <-time.After(limit + 5*time.Second): // much is forgiven a busy machine
		t.Fatalf("Put %d did not return by the end of its context", n)
		return nil
	}
}

// hold takes n places of messages on their way to disk.
func hold(t *testing.T, o *Outbox, n int64) {
	t.Helper()
	if err := o.keeping.Acquire(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// One write to disk takes long, and all that waited there is in NATS: the next ones do not wait for it, and the outbox is not taken for empty.
func TestASlowWriteHoldsUpNoOther(t *testing.T) {
	n := natsAway(t)
	o := openOutbox(t, n.conn, t.TempDir())
	put(t, o, event(key(1), 0))
	hold(t, o, 1)
	release := sync.OnceFunc(func() { o.keeping.Release(1) })
	defer release() // before Run is waited for
	n.start()
	drain(t, o)
	for i := range 20 {
		eventually(t, "what waits is drained", func() bool { return onDisk(t, o) == 0 })
		if err := putWithin(t, o, 1+i, 10*time.Second); err != nil {
			t.Fatalf("Put: %v", err)
		}
	}
	if !o.waiting.Load() {
		t.Error("the outbox was taken for empty while a write was under way")
	}
	release()
	o.signal()
	eventually(t, "the outbox is empty", func() bool { return !o.waiting.Load() })
	if got := len(ids(t, n.conn, rawStream, ">")); got != 21 {
		t.Errorf("RAW: got %d events, want 21", got)
	}
}

// While the store is opened again, say, nothing can be written.
func TestPutReturnsByItsContext(t *testing.T) {
	o := openOutbox(t, natsAway(t).conn, t.TempDir())
	put(t, o, event(key(1), 0))
	hold(t, o, keepers)
	defer o.keeping.Release(keepers)
	if err := putWithin(t, o, 1, 100*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Put: got %v, want that its context ended", err)
	}
}

// It was on its way to disk when what waited there had gone to NATS.
func TestWhatFindsTheOutboxEmptiedGoesToNATS(t *testing.T) {
	n := natsAway(t)
	n.start()
	o := openOutbox(t, n.conn, t.TempDir())
	m, err := rawMessage(t.Context(), event(key(1), 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := o.keep(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	if raw, disk := messages(t, n.conn, rawStream), onDisk(t, o); raw != 1 || disk != 0 {
		t.Errorf("got %d events in RAW and %d on disk, want 1 and 0", raw, disk)
	}
}
