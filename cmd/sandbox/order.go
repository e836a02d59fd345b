package main

import "github.com/rollcall-events/rollcall/events"

// order shows what is seen in the order in which it happened. The streams are followed side by side, so
// that an enriched event may be seen before the raw one that it came from. The zero value is ready to use.
type order struct {
	begun map[string]bool       // events that were seen raw, by id
	early map[string][]sighting // events that were seen enriched but not yet raw, by id
}

// take returns what can be shown now that s has been seen.
func (o *order) take(s sighting) []sighting {
	if o.begun == nil {
		o.begun, o.early = map[string]bool{}, map[string][]sighting{}
	}
	switch {
	case s.stage == events.StageRaw:
		now := append([]sighting{s}, o.early[s.id]...)
		o.begun[s.id] = true
		delete(o.early, s.id)
		return now
	case s.stage == events.StageEnriched && s.err == nil && !o.begun[s.id]:
		o.early[s.id] = append(o.early[s.id], s)
		return nil
	}
	return []sighting{s}
}
