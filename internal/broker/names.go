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
	headerRead        = "Rollcall-Enriched-Seq" // of auditFloor
	headerContentType = "Content-Type"
)

// stageBuried is the stage of a burial: the record in ENRICHED that an event became a dead letter. It is a stage of
// the broker's own; what it stores is the letter, as it is stored in DEAD.
const stageBuried events.Stage = "buried"

// stageAudit is what is stored of audits. It is in ENRICHED, beside the outcomes that it is about.
const stageAudit events.Stage = "audit"

const (
	auditSubjects = "rollcall." + string(stageAudit) + ".>"
	auditFloor    = "rollcall." + string(stageAudit) + ".floor" // up to where every event of RAW has an outcome
	auditEnded    = "rollcall." + string(stageAudit) + ".ended" // an event with its letter in DEAD, where the outcomes on its key do not say so
)

// rawSubjects is every subject of RAW. It is as wide as what QUEUE takes from RAW, so that
// nothing can be stored in RAW that never becomes work.
const rawSubjects = "rollcall.raw.*.*.*.*"

// queueSubjects is where QUEUE files what it takes: rollcall.queue.<partition>.<key>, the partition being a function of the key alone. What else
// RAW's subject says is left out, so that a key has one subject: the server then finds the first message on it without looking at others.
func queueSubjects(partitions int) string {
	return fmt.Sprintf("rollcall.queue.{{partition(%d,4)}}.{{wildcard(4)}}", partitions)
}

// partitionSubjects is what the consumer of a partition is given.
func partitionSubjects(p int) string { return fmt.Sprintf("rollcall.queue.%d.>", p) }

// consumerName is the durable consumer of a partition.
func consumerName(p int) string { return fmt.Sprintf("enricher-%d", p) }

// queuedOn is everything in QUEUE on a key, whichever its partition.
func queuedOn(key string) string { return "rollcall.queue.*." + key }

// keyOf returns the key that a subject of QUEUE names.
func keyOf(subject string) (key string, ok bool) {
	rest, ok := strings.CutPrefix(subject, "rollcall.queue.")
	if !ok {
		return "", false
	}
	_, key, ok = strings.Cut(rest, ".")
	return key, ok && key != "" && !strings.Contains(key, ".")
}

// outcomesOn is everything in ENRICHED on a key: its events and its burials. It is what an outcome is fenced by, always in this one
// form: of two publishes under way at once a server in a cluster refuses the second where their filters are equal, character by character.
func outcomesOn(key string) string { return events.Pattern("", "", "", "", key) }
