package enrich

import (
	"container/list"
	"slices"
	"sync"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
)

// shelf keeps whole answers of Twilio for events that may be given one whose call began before they came: the last one to each call.
// It holds at most shelfMost participants: the answers that were put or found longest ago go first. It is safe for concurrent use.
type shelf struct {
	age time.Duration // 0: nothing is kept

	mu      sync.Mutex
	entries map[call]*list.Element // in order
	order   *list.List             // of shelved, what was used longest ago first
	weight  int                    // of all
}

type shelved struct {
	call   call
	answer *answer
}

// shelfMost is some tens of megabytes.
const shelfMost = 50_000

func newShelf(age time.Duration) *shelf {
	return &shelf{age: age, entries: map[call]*list.Element{}, order: list.New()}
}

// mayBeStale reports whether e may be given an answer from before it came. Only what is said in a conversation may: there is
// much of it, and it changes nothing about who is there. All else either changes that (a participant joins, a channel
// closes), or is too rare for its call to matter.
func mayBeStale(e *events.Event) bool {
	switch e.Resource {
	case "message", "delivery", "communication":
		return true
	default:
		return false
	}
}

// names reports whether the participant that e names is among those of a: else a is proved too old.
func names(e *events.Event, a *answer) bool {
	sid := string(e.Refs.ParticipantSID)
	return sid == "" || slices.ContainsFunc(a.participants, func(p participants.Participant) bool { return p.ID == sid })
}

// find returns an answer to c that e, which came at the given time, may be given; nil when there is none. For
// an event that may be given none, it forgets what it has: that may be what the event changes.
func (s *shelf) find(c call, e *events.Event, came time.Time) *answer {
	if s.age == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := s.entries[c]
	if entry == nil {
		return nil
	}
	a := at(entry).answer
	switch {
	case !mayBeStale(e):
		s.remove(entry)
		return nil
	case a.began.Before(came.Add(-s.age)), !names(e, a):
		return nil
	}
	s.order.MoveToBack(entry)
	return a
}

// put keeps a, unless it says nothing of who is there.
func (s *shelf) put(c call, a *answer) {
	if s.age == 0 || a.verdict != verdictUse {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if entry := s.entries[c]; entry != nil {
		s.remove(entry)
	}
	s.entries[c] = s.order.PushBack(shelved{c, a})
	s.weight += a.weight()
	s.trim()
}

// trim forgets what is too much, and what is too old among what was used longest ago. s.mu is held.
func (s *shelf) trim() {
	oldest := time.Now().Add(-s.age)
	for entry := s.order.Front(); entry != nil; entry = s.order.Front() {
		if s.weight <= shelfMost && !at(entry).answer.began.Before(oldest) {
			return
		}
		s.remove(entry)
	}
}

// remove forgets what is at entry. s.mu is held.
func (s *shelf) remove(entry *list.Element) {
	gone := at(entry)
	s.order.Remove(entry)
	delete(s.entries, gone.call)
	s.weight -= gone.answer.weight()
}

func at(entry *list.Element) shelved {
	held, _ := entry.Value.(shelved) // nothing else is in the list
	return held
}

// weight is what an answer takes, in participants.
func (a *answer) weight() int { return 1 + len(a.participants) }
