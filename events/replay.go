package events

import (
	"crypto/sha256"
	"encoding/hex"
)

// Replayed returns e as a new event that names the old: what is published when the dead letter known by letter (any
// text that no other letter has) is replayed. The ID depends on letter alone, so that a replay that is begun twice is
// stored once; it differs from e's, which is remembered and would be dropped.
func (e Event) Replayed(letter string) Event {
	if e.ReplayOf == "" {
		e.ReplayOf = e.ID
	}
	sum := sha256.Sum256([]byte(letter))
	e.ID = "replay:" + hex.EncodeToString(sum[:])
	return e
}
