package ingest

import (
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/validation"
)

// turn holds the slots that one request has taken of those that all share. A request has a slot of reading from the check of its signature to
// the end of parsing, and there are about as many as processors: a hostile body takes many times its size meanwhile.
type turn struct {
	large, reading room
	began          time.Time // when it had its slot of reading
}

func (s *Service) newTurn() turn {
	return turn{large: room{all: s.large}, reading: room{all: s.reading}}
}

func (t *turn) giveBack() {
	t.large.giveBack()
	t.reading.giveBack()
}

// answerTime is the part of Twilio's patience that is left to the network, there and back.
const answerTime = 500 * time.Millisecond

// storeBy returns the deadline for storing a webhook that came at arrived and could be read at began. The store timeout runs
// from began, so that a webhook that waited for others is not given up while the store is well; but it ends while Twilio still
// waits for the answer.
func (s *Service) storeBy(arrived, began time.Time) time.Time {
	by := began.Add(s.cfg.StoreTimeout)
	if latest := arrived.Add(max(s.cfg.StoreTimeout, twilioPatience-answerTime)); by.After(latest) {
		return latest
	}
	return by
}

// overloadedBy is the outcome for req where there is no time to find out whether it is genuine. What says that it is a pre-action
// webhook, or is of a type that we do not know, is let by: if it is, any other answer would refuse the user's own
// action, and if it is not, its sender has learnt nothing.
func (s *Service) overloadedBy(rt route, req validation.Request) outcome {
	fields, _ := fieldsOf(req)
	if rt.feed == events.FeedConversations && !s.harmless[claim(fields, "EventType")] {
		return letBy
	}
	return overloaded
}

// harmlessTypes returns those whose answer decides on nothing.
func harmlessTypes() map[string]bool {
	types := make(map[string]bool)
	for _, k := range events.Kinds() {
		if !k.Pre {
			types[k.Name] = true
		}
	}
	delete(types, "") // of what is streamed only
	return types
}
