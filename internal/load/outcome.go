package load

import (
	"fmt"

	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// Outcome is the ledger's verdict on a run, as JSON has it.
type Outcome struct {
	Owed       int `json:"answered_2xx"` // events
	Enriched   int `json:"enriched"`
	Dead       int `json:"dead"`
	Lost       int `json:"lost"`
	Queued     int `json:"still_queued,omitempty"` // not counted as lost
	Twice      int `json:"twice"`
	OutOfOrder int `json:"out_of_order"`
	Other      int `json:"other_faults"` // refused but stored, wrongly dead, missed, with an old roster, or strange
}

// OutcomeOf returns the figures of v.
func OutcomeOf(v sandbox.Verdict) Outcome {
	return Outcome{
		Owed: v.Owed, Enriched: v.Enriched, Dead: v.Dead, Lost: v.Lost, Twice: v.Twice, OutOfOrder: v.OutOfOrder,
		Other: v.Refused + v.WronglyDead + v.Missed + v.Stale + v.Strange,
	}
}

// Waiting returns o for when queued events still wait to be worked on: what has not come out is among them, as far as they go.
func (o Outcome) Waiting(queued int) Outcome {
	o.Queued = min(o.Lost, queued)
	o.Lost -= o.Queued
	return o
}

// String returns one line, for people.
func (o Outcome) String() string {
	waiting := ""
	if o.Queued > 0 {
		waiting = fmt.Sprintf("%d still queued, ", o.Queued)
	}
	return fmt.Sprintf("ledger: %d events answered with 2xx, %d enriched, %d dead; %s%d lost, %d twice, %d out of order, %d other faults",
		o.Owed, o.Enriched, o.Dead, waiting, o.Lost, o.Twice, o.OutOfOrder, o.Other)
}
