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

// enrichedOn and deadOn are everything that was published for a key.
func enrichedOn(key string) string { return events.Pattern(events.StageEnriched, "", "", "", key) }
func deadOn(key string) string     { return events.Pattern(events.StageDead, "", "", "", key) }
