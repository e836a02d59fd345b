package sandbox

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/rollcall-events/rollcall/events"
)

// Ledger holds every webhook that was sent, with its answer, against what was stored of it: in RAW, in ENRICHED and in
// DEAD. It is safe for concurrent use. What it promises to find is said at Verdict.
type Ledger struct {
	mu      sync.Mutex
	clock   uint64 // one tick for each beginning and each answer
	answers map[int]int
	sent    int
	entries map[string]*entry // by event ID
	raw     uint64            // how many were read of RAW
	keys    map[string][]*entry
	out     map[events.Stage]int
	strange []string
}

// entry is one event, and all that is known of it.
type entry struct {
	id, key   string
	began     uint64 // when it was first sent; clock
	answered  uint64 // when it was first answered with 2xx; 0: never
	uncertain bool   // some try had no answer, or one that leaves open whether it was stored
	raw       uint64 // its place in RAW; 0: not seen there
	enriched  int    // times in ENRICHED
	dead      int    // times in DEAD
	stale     bool
}

// NewLedger returns an empty Ledger.
func NewLedger() *Ledger {
	return &Ledger{answers: map[int]int{}, entries: map[string]*entry{}, keys: map[string][]*entry{}, out: map[events.Stage]int{}}
}

// Sending notes that w is being sent, perhaps again. What it returns must be called with the status of
// the answer once there is one, or with 0 when it is certain that none will come.
func (l *Ledger) Sending(w Webhook) (answered func(status int)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock++
	l.sent++
	for _, id := range w.IDs {
		if l.entries[id] == nil {
			l.entries[id] = &entry{id: id, began: l.clock}
		}
	}
	return func(status int) { l.answered(w, status) }
}

func (l *Ledger) answered(w Webhook, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock++
	l.answers[status]++
	for _, id := range w.IDs {
		e := l.entries[id]
		switch {
		case isStored(status) && e.answered == 0:
			e.answered = l.clock
		case status == 0 || status >= http.StatusInternalServerError:
			e.uncertain = true
		}
	}
}

// out is how often it came out.
func (e *entry) out() int { return e.enriched + e.dead }

func isStored(status int) bool { return status/100 == 2 }

// Owed returns how many events must come out, so far: those of webhooks that were answered with 2xx.
func (l *Ledger) Owed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, e := range l.entries {
		if e.answered > 0 {
			n++
		}
	}
	return n
}

// Stored notes a message of a stage's stream. The messages of one stage must be given in the order of its stream,
// each once, and those of RAW before all others.
func (l *Ledger) Stored(stage events.Stage, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out[stage]++
	id, key, stale, err := read(stage, data)
	if err != nil {
		l.strange = append(l.strange, fmt.Sprintf("a message of %s cannot be read: %v", stage, err))
		return
	}
	e := l.entries[id]
	if e == nil {
		l.strange = append(l.strange, fmt.Sprintf("%s: event %s was never sent", stage, id))
		return
	}
	e.key = key
	switch stage {
	case events.StageRaw:
		if l.raw++; e.raw == 0 {
			e.raw = l.raw
		}
	case events.StageEnriched:
		e.enriched++
		e.stale = e.stale || stale
		l.keys[key] = append(l.keys[key], e)
	default:
		e.dead++
	}
}

// read returns what a message says: of which event it is, on which key, and whether its roster is older than the event.
func read(stage events.Stage, data []byte) (id, key string, stale bool, err error) {
	switch stage {
	case events.StageRaw:
		e, err := events.DecodeRaw(data)
		return e.ID, e.Key(), false, err
	case events.StageEnriched:
		e, err := events.DecodeEnriched(data)
		stale := e.Roster.Status != events.RosterNotNeeded && e.Roster.FetchedAt.Before(e.ReceivedAt)
		return e.ID, e.Key(), stale, err
	default:
		d, err := events.DecodeDead(data)
		if d.Event != nil {
			key = d.Event.Key()
		}
		return d.ID, key, false, err
	}
}
