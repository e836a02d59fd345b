package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go/jetstream"
)

// brokenError says that the store could not write before, and has not been mended; and why NATS did not take the message, where it was asked.
type brokenError struct{ why error }

func (e *brokenError) Error() string {
	const broken = "the outbox cannot write to its disk"
	if e.why == nil {
		return broken
	}
	return broken + ", and " + e.why.Error()
}

func (e *brokenError) Unwrap() error { return e.why }

// trialBytes is how much the disk must take before messages are given to it again: the largest of them.
const trialBytes = maxPayload

// doubt says that the disk's server did not do what it was asked for. It may only be slow: mending finds out.
func (o *Outbox) doubt() {
	select {
	case o.doubts <- struct{}{}:
	default:
	}
}

// mending opens the store again whenever it has failed to write, until ctx is done. nats-server (2.15.2) answers nothing to a message that it
// cannot write, for want of room, say, and neither writes nor removes any after that until the store is opened again.
func (o *Outbox) mending(ctx context.Context) {
	for {
		select {
		case <-o.doubts:
		case <-ctx.Done():
			return
		}
		err := o.writable(ctx)
		if err == nil || isLate(err) || ctx.Err() != nil {
			continue // in time, or slow: opening it again would not make it faster
		}
		o.broken.Store(true)
		o.log.Error("the outbox cannot write to its disk: until it can, what NATS does not take is refused", "error", err)
		var wait backoff
		for err = o.mend(ctx); err != nil && ctx.Err() == nil; err = o.mend(ctx) {
			o.log.Debug("the outbox still cannot write to its disk", "error", err)
			wait.sleep(ctx, nil)
		}
		if err == nil {
			o.broken.Store(false)
			o.signal()
			o.log.Info("the outbox can write to its disk again")
		}
	}
}

// mend makes the store write again. When it is open, and the disk has no room, what waits can still be moved to NATS: only that may make
// some.
func (o *Outbox) mend(ctx context.Context) error {
	if err := o.writable(ctx); err != nil {
		if err := o.reopen(ctx); err != nil {
			return err
		}
	}
	return tryDisk(filepath.Join(o.cfg.Dir, "trial"))
}

// writable asks the store to remove what it does not hold: it refuses if it could not write before.
func (o *Outbox) writable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if err := o.stream.Purge(ctx, jetstream.WithPurgeSubject("rollcall.raw.probe")); err != nil {
		return fmt.Errorf("ask the outbox whether it can write: %w", err)
	}
	return nil
}

// isLate reports whether the answer did not come in time.
func isLate(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

func (o *Outbox) reopen(ctx context.Context) error {
	if err := o.keeping.Acquire(ctx, keepers); err != nil { // nothing is on its way to disk then
		return fmt.Errorf("open the outbox again: %w", err)
	}
	defer o.keeping.Release(keepers)
	if err := o.server.reopen(); err != nil {
		return err
	}
	return o.writable(ctx)
}

// tryDisk writes a file and removes it again.
func tryDisk(path string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("try the disk: %w", err)
	}
	_, err = io.CopyN(f, rand.Reader, trialBytes) // at random, since a disk may compress
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close(), os.Remove(path)); err != nil {
		return fmt.Errorf("try the disk: %w", err)
	}
	return nil
}
