package main

import "github.com/rollcall-events/rollcall/events"

// order puts what is seen in the order in which it happened: the streams are followed side
// by side, so that an enriched event may be seen before the raw one that it came from. Its zero value is ready.
type order struct {
	begun map[string]bool       // seen raw, by id
	early map[string][]sighting // seen enriched and not yet raw
}

// take returns what is to be shown now that s is seen.
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
