package events

import (
	"crypto/sha256"
	"encoding/hex"
)

// Replayed returns e as a new event whose ReplayOf is the ID that e first had: what is published when a dead letter is
// replayed. letter is any text that identifies that letter and no other. The new ID depends on it alone, so that a replay
// that is begun twice is stored once; it differs from e's, which NATS would drop as a duplicate.
func (e Event) Replayed(letter string) Event {
	if e.ReplayOf == "" {
		e.ReplayOf = e.ID
	}
	sum := sha256.Sum256([]byte(letter))
	e.ID = "replay:" + hex.EncodeToString(sum[:])
	return e
}
