package broker

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
)

// Whatever has been moved of a window, and whatever was kept since it was read, only what was moved leaves the disk: also when all
// that was left of a window goes at once, after parts of it have gone before, and behind keys that are stuck.
func TestOutboxRemovesOnlyWhatWasMoved(t *testing.T) {
	const keys, steps = 4, 300
	random := rand.New(rand.NewPCG(1, 2))
	o := openOutbox(t, natsAway(t).conn, t.TempDir())
	var kept []events.Event // what must be on the disk, in order
	n := 0
	keep := func(some int) {
		for range some {
			e := event(key(random.IntN(keys)), n)
			n++
			put(t, o, e)
			kept = append(kept, e)
		}
	}
	p := new(drainPass)
	for step := range steps {
		if random.IntN(3) == 0 {
			p = p.following(nil)
		}
		keep(max(0, random.IntN(9)-4))
		w, err := o.oldest(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		free := slices.DeleteFunc(slices.Clone(kept), func(e events.Event) bool { _, stuck := p.stuck[e.Key()]; return stuck })
		if got, want := messageIDs(w.messages), eventIDs(free); !slices.Equal(got, want) {
			t.Fatalf("step %d: got %d messages on the disk, want the %d that have not been moved", step, len(got), len(want))
		}
		keep(max(0, random.IntN(9)-4))
		moved := make(map[string]bool)
		for _, l := range w.lanes {
			l.moved = min(len(l.messages), random.IntN(len(l.messages)*2+1))
			for _, id := range messageIDs(l.messages[:l.moved]) {
				moved[id] = true
			}
		}
		if len(moved) > 0 {
			if err := o.remove(t.Context(), p, w); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.leave(w, errors.New("refused")); err != nil {
			t.Fatal(err)
		}
		kept = slices.DeleteFunc(kept, func(e events.Event) bool { return moved[e.ID] })
	}
}

func messageIDs(all []*jetstream.RawStreamMsg) (ids []string) {
	for _, m := range all {
		ids = append(ids, m.Header.Get(jetstream.MsgIDHeader))
	}
	return ids
}

func eventIDs(all []events.Event) (ids []string) {
	for _, e := range all {
		ids = append(ids, e.ID)
	}
	return ids
}
