package broker

import (
	"fmt"
	"strings"

	"github.com/rollcall-events/rollcall/events"
)

// The streams.
const (
	rawStream      = "ROLLCALL_RAW"
	queueStream    = "ROLLCALL_QUEUE"
	enrichedStream = "ROLLCALL_ENRICHED"
	deadStream     = "ROLLCALL_DEAD"
)

// Headers of our own, beside those of NATS. They are on the messages of ENRICHED and DEAD, and are
// what a key's checkpoint is read from.
const (
	headerRawSeq      = "Rollcall-Raw-Seq"
	headerRawEpoch    = "Rollcall-Raw-Epoch"
	headerContentType = "Content-Type"
)

// stageBuried is the stage of a burial: the record in ENRICHED that an event became a dead letter. It is a stage of
// the broker's own; what it stores is the letter, as it is stored in DEAD.
const stageBuried events.Stage = "buried"

// rawSubjects is every subject of RAW. It is as wide as what QUEUE takes from RAW, so that
// nothing can be stored in RAW that never becomes work.
const rawSubjects = "rollcall.raw.*.*.*.*"

// queueSubjects is where QUEUE files what it takes: rollcall.queue.<partition>.<api>.<resource>.<action>.<key>,
// the partition being a function of the key alone.
func queueSubjects(partitions int) string {
	return fmt.Sprintf("rollcall.queue.{{partition(%d,4)}}.{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}.{{wildcard(4)}}", partitions)
}

// partitionSubjects is what the consumer of a partition is given.
func partitionSubjects(p int) string { return fmt.Sprintf("rollcall.queue.%d.>", p) }

// consumerName is the durable consumer of a partition.
func consumerName(p int) string { return fmt.Sprintf("enricher-%d", p) }

// queueAddress is what a subject of QUEUE says.
type queueAddress struct {
	raw  string // the subject in RAW
	lane string // every message of the key in QUEUE
	key  string
}

func parseQueueSubject(subject string) (queueAddress, bool) {
	tokens := strings.Split(subject, ".")
	if len(tokens) != 7 || tokens[0] != "rollcall" || tokens[1] != "queue" {
		return queueAddress{}, false
	}
	key := tokens[6]
	return queueAddress{
		raw:  "rollcall.raw." + strings.Join(tokens[3:], "."),
		lane: "rollcall.queue." + tokens[2] + ".*.*.*." + key,
		key:  key,
	}, true
}

// outcomesOn is everything in ENRICHED on a key: its events and its burials. It is what an outcome is fenced by, always in this one
// form: of two publishes under way at once a server in a cluster refuses the second where their filters are equal, character by character.
func outcomesOn(key string) string { return events.Pattern("", "", "", "", key) }
