package broker

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// stuckMost is how many keys a pass leaves behind, at some 100 bytes each. Where more are stuck it is NATS that is unwell, and not
// they.
const stuckMost = 10_000

// drainPass goes through the outbox once, oldest first and a window at a time. A key is stuck when NATS refuses a message of it: that
// stays, with all that follows on the key, and the pass goes on behind. The next one tries again.
type drainPass struct {
	next  uint64              // where to read on; before it there are messages of stuck keys alone
	stuck map[string]struct{} // keys
	why   error               // the first of them is stuck

	left  uint64 // before it there is only what the pass before has left
	freed bool   // some of that has been moved
}

// following is the next pass, after one that ended with err.
func (p *drainPass) following(err error) *drainPass {
	if err != nil {
		return &drainPass{left: math.MaxUint64}
	}
	return &drainPass{left: p.next}
}

// trouble is why not everything can be moved; nil when all can.
func (p *drainPass) trouble(err error) error {
	if err != nil {
		return err
	}
	return p.why
}

func (p *drainPass) isStuck(m *jetstream.RawStreamMsg) bool {
	_, stuck := p.stuck[orderKey(m)]
	return stuck
}

// moved notes what NATS has of w.
func (p *drainPass) moved(w *window) {
	p.freed = p.freed || slices.ContainsFunc(w.lanes, func(l *drainLane) bool { return l.moved > 0 && l.messages[0].Sequence < p.left })
}

// leave goes on behind w, of which NATS has refused whatever has not been moved, and says why.
func (p *drainPass) leave(w *window, why error) error {
	for _, l := range w.lanes {
		if l.moved == len(l.messages) {
			continue
		}
		if p.stuck == nil {
			p.stuck, p.why = make(map[string]struct{}), why
		}
		p.stuck[strings.Clone(l.key)] = struct{}{} // not the whole message
	}
	if len(p.stuck) > stuckMost {
		return fmt.Errorf("messages of more than %d keys are refused: %w", stuckMost, p.why)
	}
	p.next = w.end
	return nil
}
