package scaling

import (
	"math"
	"time"
)

// needed is how many of a part take the given webhooks a second, where one does each: at most load of that is planned for. There are at
// least three, one of which may be away while another is replaced.
func needed(rate, each float64) int { return max(3, int(math.Ceil(rate/(each*load)))) }

// setsFor is how many sets of RAW, QUEUE, ENRICHED and DEAD: each webhook is one message in each of the first three, and a
// stream has one leader.
func setsFor(rate float64, s figure) int { return int(math.Ceil(rate / (s.value * load))) }

// serversFor is how many NATS servers, all sets together, where one stores as much as s says, whatever the stream.
func serversFor(rate float64, s figure) int { return needed(rate*writes*copies, s.value) }

// idMemory is the bytes that a server which keeps RAW and ENRICHED of a set has in memory for their ids.
func idMemory(rate float64, window time.Duration) float64 {
	return 2 * rate * window.Seconds() * anID.value
}

// subjectMemory is the same for the subjects of what RAW and ENRICHED keep for the given time.
func subjectMemory(rate float64, kept time.Duration) float64 {
	return 2 * rate * kept.Seconds() / perConversation.value * kindsEach.value * aSubject.value
}

// disk is the bytes of RAW and ENRICHED that are kept for the given time, all copies together.
func disk(rate float64, kept time.Duration) float64 {
	return rate * kept.Seconds() * (rawSize.value + enrichedSize.value) * copies
}
