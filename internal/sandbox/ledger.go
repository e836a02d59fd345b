package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/rollcall-events/rollcall/events"
)

// Ledger holds every webhook that was sent, with its answer, against what was stored of it: in RAW, in ENRICHED and in
// DEAD. It is safe for concurrent use. What it promises to find is said at Verdict.
//
// A dead letter that was replayed is a new event, which names the first. What comes of it counts for the first one, whose own letter is gone;
// its place in order is the new event's, for it comes after what followed the first, and it may be dead for the reasons that the first may.
type Ledger struct {
	mu      sync.Mutex
	clock   uint64 // one tick for each beginning and each answer
	answers map[int]int
	sent    int
	entries map[string]*entry // by event ID
	replays map[string]*entry // those of replayed letters, by event ID
	raw     uint64            // how many were read of RAW
	keys    map[string][]*entry
	out     map[events.Stage]int
	strange []string
}

// entry is one event, and all that is known of it.
type entry struct {
	id, key   string
	mayBeDead []events.Reason
	began     uint64          // when it was first sent; clock
	answered  uint64          // when it was first answered with 2xx; 0: never
	uncertain bool            // some try had no answer, or one that leaves open whether it was stored
	raw       uint64          // its place in RAW; 0: not seen there
	enriched  int             // times in ENRICHED
	dead      int             // times in DEAD
	wrongly   []events.Reason // those of them that mayBeDead has not
	stale     bool
	replays   []*entry // never sent: they have no began, no answered and no replays
}

// NewLedger returns an empty Ledger.
func NewLedger() *Ledger {
	return &Ledger{answers: map[int]int{}, entries: map[string]*entry{}, replays: map[string]*entry{}, keys: map[string][]*entry{}, out: map[events.Stage]int{}}
}

// Sending notes that w is being sent, perhaps again; why its events may be dead is what w said the first time. What it returns must be
// called with the status of the answer once there is one, or with 0 when it is certain that none will come.
func (l *Ledger) Sending(w Webhook) (answered func(status int)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock++
	l.sent++
	for _, id := range w.IDs {
		if l.entries[id] == nil {
			l.entries[id] = &entry{id: id, began: l.clock, mayBeDead: w.MayBeDead}
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

// out is how often it came out, itself or replayed.
func (e *entry) out() (enriched, dead int) {
	enriched, dead = e.enriched, e.dead
	for _, r := range e.replays {
		enriched, dead = enriched+r.enriched, dead+r.dead
	}
	return enriched, dead
}

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
	m, err := read(stage, data)
	if err != nil {
		l.strange = append(l.strange, fmt.Sprintf("a message of %s cannot be read: %v", stage, err))
		return
	}
	e := l.entry(m)
	if e == nil {
		l.strange = append(l.strange, fmt.Sprintf("%s: event %s was never sent", stage, m.id))
		return
	}
	e.key = m.key
	switch stage {
	case events.StageRaw:
		if l.raw++; e.raw == 0 {
			e.raw = l.raw
		}
	case events.StageEnriched:
		e.enriched++
		e.stale = e.stale || m.stale
		l.keys[m.key] = append(l.keys[m.key], e)
	default:
		if e.dead++; !slices.Contains(e.mayBeDead, m.reason) {
			e.wrongly = append(e.wrongly, m.reason)
		}
	}
}

// entry returns that of m's event, nil if neither it nor the one that it replays was sent.
func (l *Ledger) entry(m message) *entry {
	if m.replayOf == "" {
		return l.entries[m.id]
	}
	first := l.entries[m.replayOf]
	if first == nil || l.replays[m.id] != nil {
		return l.replays[m.id]
	}
	e := &entry{id: m.id, mayBeDead: first.mayBeDead}
	l.replays[m.id], first.replays = e, append(first.replays, e)
	return e
}

// message is what a message says: of which event it is, on which key, whether its roster is older than the event, and why it is dead.
type message struct {
	id, replayOf, key string
	stale             bool
	reason            events.Reason
}

func messageOf(e events.Event) message { return message{id: e.ID, replayOf: e.ReplayOf, key: e.Key()} }

func read(stage events.Stage, data []byte) (message, error) {
	switch stage {
	case events.StageRaw:
		e, err := events.DecodeRaw(data)
		return messageOf(e), err
	case events.StageEnriched:
		e, err := events.DecodeEnriched(data)
		m := messageOf(e.Event)
		m.stale = e.Roster.Status != events.RosterNotNeeded && e.Roster.FetchedAt.Before(e.ReceivedAt)
		return m, err
	default:
		d, err := events.DecodeDead(data)
		m := message{id: d.ID}
		if d.Event != nil {
			m = messageOf(*d.Event)
		}
		m.reason = d.Reason
		return m, err
	}
}
