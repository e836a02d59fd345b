package enrich

import (
	"slices"
	"sync"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
)

// shelf keeps whole answers of Twilio for events that may be given one whose call began before they came.
// It holds at most shelfMost participants: the oldest answers go first. It is safe for concurrent use.
type shelf struct {
	age time.Duration // 0: nothing is kept

	mu      sync.Mutex
	answers map[call]*answer
	order   []kept // as they were put, also those that another has replaced
	weight  int    // of all in order
}

type kept struct {
	call   call
	answer *answer
}

// shelfMost is some tens of megabytes.
const shelfMost = 50_000

func newShelf(age time.Duration) *shelf {
	return &shelf{age: age, answers: map[call]*answer{}}
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
	a := s.answers[c]
	switch {
	case a == nil:
		return nil
	case !mayBeStale(e):
		delete(s.answers, c)
		return nil
	case a.began.Before(came.Add(-s.age)), !names(e, a):
		return nil
	}
	return a
}

// put keeps a, unless it says nothing of who is there.
func (s *shelf) put(c call, a *answer) {
	if s.age == 0 || a.verdict != verdictUse {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[c] = a
	s.order = append(s.order, kept{c, a})
	s.weight += a.weight()
	s.trim()
}

// trim forgets what is too old or too much. s.mu is held.
func (s *shelf) trim() {
	oldest, n := time.Now().Add(-s.age), 0
	for _, k := range s.order {
		if s.weight <= shelfMost && !k.answer.began.Before(oldest) {
			break
		}
		if s.answers[k.call] == k.answer {
			delete(s.answers, k.call)
		}
		s.weight -= k.answer.weight()
		n++
	}
	s.order = slices.Delete(s.order, 0, n)
}

// weight is what an answer takes, in participants.
func (a *answer) weight() int { return 1 + len(a.participants) }
