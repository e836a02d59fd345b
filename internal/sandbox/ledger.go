package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/rollcall-events/rollcall/events"
)

// Ledger compares every webhook that was sent, and its answer, with what RAW, ENRICHED and DEAD hold of it. Verdict
// says what it finds: Judge for the whole pipeline, JudgeIngest for an ingest alone. It is safe for concurrent use.
//
// A dead letter that is replayed becomes a new event, which names the first. Whether something was lost or came twice is
// judged for both together, since the letter of the first is gone by then. Order is judged for each by itself: the new
// event rightly comes after those that followed the first. It may be dead for the same reasons as the first.
type Ledger struct {
	mu      sync.Mutex
	clock   uint64      // one tick for each webhook that is sent and each answer
	answers map[int]int // by status
	sent    int
	entries map[string]*entry    // by event ID
	replays map[string]*entry    // of replayed letters, by event ID
	raw     uint64               // messages of RAW so far
	keys    stagesByKey          // what is in RAW and in ENRICHED
	out     map[events.Stage]int // messages by stage
	strange []string             // what is wrong with messages that belong to no entry
}

// stagesByKey is what a stage's stream holds, by key, in its order.
type stagesByKey map[events.Stage]map[string][]*entry

func (s stagesByKey) add(stage events.Stage, key string, e *entry) {
	if s[stage] == nil {
		s[stage] = map[string][]*entry{}
	}
	s[stage][key] = append(s[stage][key], e)
}

// entry is all that is known of one event.
type entry struct {
	id, key   string
	mayBeDead []events.Reason
	began     uint64          // when it was first sent, by the ledger's clock
	answered  uint64          // when it was first answered with 2xx; 0: never
	uncertain bool            // some attempt had no answer, or one that leaves open whether it was stored
	raw       uint64          // its place in RAW; 0: not seen there
	taken     int             // times in RAW
	enriched  int             // times in ENRICHED
	dead      int             // times in DEAD
	wrongly   []events.Reason // of its dead letters, those that are not in mayBeDead
	missed    int             // letters of the audit
	stale     bool            // its roster is older than itself
	replays   []*entry        // not sent, so without began, answered and replays of their own
}

// NewLedger returns an empty Ledger.
func NewLedger() *Ledger {
	return &Ledger{answers: map[int]int{}, entries: map[string]*entry{}, replays: map[string]*entry{}, keys: stagesByKey{}, out: map[events.Stage]int{}}
}

// Sending records that w is being sent, perhaps again. answered must be called with the status of the answer, or with 0 once it is
// certain that there will be none. When w is sent again, its MayBeDead of the first time counts.
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

// times returns how often e came to a stage, itself or replayed.
func (e *entry) times(stage events.Stage) (n int) {
	switch stage {
	case events.StageRaw:
		n = e.taken
	case events.StageEnriched:
		n = e.enriched
	default:
		n = e.dead
	}
	for _, r := range e.replays {
		n += r.times(stage)
	}
	return n
}

func isStored(status int) bool { return status/100 == 2 }

// Owed returns how many events must come out: those of webhooks that have been answered with 2xx so far.
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

// Stored records a message of a stage's stream. It must be called with every message once, in the order of the stream, and
// with all those of RAW before any other.
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
		e.taken++
		l.keys.add(stage, m.key, e)
	case events.StageEnriched:
		e.enriched++
		e.stale = e.stale || m.stale
		l.keys.add(stage, m.key, e)
	default:
		e.dead++
		switch {
		case m.reason == events.ReasonMissed:
			e.missed++
		case !slices.Contains(e.mayBeDead, m.reason):
			e.wrongly = append(e.wrongly, m.reason)
		}
	}
}

// entry returns the entry of m's event; nil if neither it nor the event that it replays was sent.
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

// message is what a ledger needs of a message.
type message struct {
	id, replayOf, key string        // of its event
	stale             bool          // its roster is older than the event
	reason            events.Reason // of a dead letter
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
