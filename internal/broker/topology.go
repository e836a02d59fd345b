package broker

import (
	"cmp"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Topology is the shape of the streams. The zero value of a field means its default.
type Topology struct {
	Partitions  int           // of QUEUE: default 8, at most 256
	Replicas    int           // default 1
	RawAge      time.Duration // how long RAW keeps events: default 7 days
	EnrichedAge time.Duration // default 7 days; at least RawAge
	DeadAge     time.Duration // default 30 days
	Duplicates  time.Duration // how long an event ID is remembered: default 4 h 15 min, longer than Event Streams retries; at most RawAge and DeadAge
	AckWait     time.Duration // of the partitions' consumers: default 30 s

	// MaxAckPending is how many tasks of a partition may be delivered and not done: default 2,000, at least 64. Beyond it the server
	// delivers nothing new, whoever's it is: so many events of accounts whose credentials are refused, or of stuck conversations,
	// stop all others. Giving tasks back does not help, since those that the server is to deliver again, at once or later, count
	// too. An enricher may hold as many of every partition, some 500 bytes each (see Task.Shed), and the server writes them
	// down over and over.
	MaxAckPending int
}

const day = 24 * time.Hour

func (t Topology) withDefaults() Topology {
	t.Partitions = cmp.Or(t.Partitions, 8)
	t.Replicas = cmp.Or(t.Replicas, 1)
	t.RawAge = cmp.Or(t.RawAge, 7*day)
	t.EnrichedAge = cmp.Or(t.EnrichedAge, max(7*day, t.RawAge))
	t.DeadAge = cmp.Or(t.DeadAge, 30*day)
	t.Duplicates = cmp.Or(t.Duplicates, min(4*time.Hour+15*time.Minute, t.RawAge, t.DeadAge))
	t.AckWait = cmp.Or(t.AckWait, 30*time.Second)
	t.MaxAckPending = cmp.Or(t.MaxAckPending, 2000)
	return t
}

// Validate reports everything that is wrong with t once it has its defaults, each problem by the field's name.
func (t Topology) Validate() error {
	var errs []error
	for _, p := range t.withDefaults().Problems() {
		errs = append(errs, errors.New(p.String()))
	}
	return errors.Join(errs...)
}

// metadataPartitions is where QUEUE says how many partitions it has.
const metadataPartitions = "rollcall-partitions"

// streams are the streams, in the order in which they have to be made.
func (t Topology) streams() []jetstream.StreamConfig {
	return []jetstream.StreamConfig{t.raw(), t.queue(), t.enriched(), t.dead(), t.members()}
}

// limits is what ENRICHED, DEAD and RAW have in common: age alone limits them, so that nothing is dropped
// for lack of room. Where the disk is full the server refuses the publish, and the publisher knows.
func (t Topology) limits(name, description string, age time.Duration, subjects ...string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              name,
		Description:       description,
		Subjects:          subjects,
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardNew,
		MaxAge:            age,
		MaxMsgs:           -1,
		MaxBytes:          -1,
		MaxMsgsPerSubject: -1,
		MaxMsgSize:        -1,
		Storage:           jetstream.FileStorage,
		Replicas:          t.Replicas,
		Duplicates:        t.Duplicates,
		AllowDirect:       true,
		PersistMode:       jetstream.DefaultPersistMode, // the asynchronous mode would switch sync_interval: always off
	}
}

func (t Topology) raw() jetstream.StreamConfig {
	return t.limits(rawStream, "Every webhook as it was received: the record", t.RawAge, rawSubjects)
}

// enriched holds both outcomes of an event, so that one fence is over both: the product, and the burials. Beside
// them is what audits of them have found.
func (t Topology) enriched() jetstream.StreamConfig {
	return t.limits(enrichedStream, "Every event with its participants: the product; and the burial of each that has none", t.EnrichedAge,
		"rollcall.enriched.>", "rollcall.buried.>", auditSubjects)
}

func (t Topology) dead() jetstream.StreamConfig {
	return t.limits(deadStream, "What could not be done, with the reason", t.DeadAge, "rollcall.dead.>")
}

// queue is what is not done yet. It has no subjects of its own, no limit, and forgets
// ids at once: whatever RAW stored becomes work, also when it bears an id that was seen before.
//
// OptStartSeq matters: after a crash, a server that finds QUEUE empty and its notes on how far it came missing would
// otherwise resume at the time of QUEUE's last message, and skip what RAW had stored before but QUEUE had not taken yet.
func (t Topology) queue() jetstream.StreamConfig {
	cfg := t.limits(queueStream, "Every raw event that is not done yet, by partition", 0)
	cfg.Retention = jetstream.WorkQueuePolicy
	cfg.Duplicates = 0
	cfg.Sources = []*jetstream.StreamSource{{
		Name:              rawStream,
		OptStartSeq:       1,
		SubjectTransforms: []jetstream.SubjectTransformConfig{{Source: rawSubjects, Destination: queueSubjects(t.Partitions)}},
	}}
	cfg.Metadata = map[string]string{metadataPartitions: strconv.Itoa(t.Partitions)}
	return cfg
}

// consumer takes partition p. Nothing limits how often a task is delivered: with a limit, a worker that dies
// during the last delivery would make the event vanish from view.
func (t Topology) consumer(p int) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:       consumerName(p),
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       t.AckWait,
		MaxDeliver:    -1,
		MaxAckPending: t.MaxAckPending,
		FilterSubject: partitionSubjects(p),
		ReplayPolicy:  jetstream.ReplayInstantPolicy,
		// Each enricher asks for all, and its own partitions' tasks come to it first.
		PriorityPolicy: jetstream.PriorityPolicyPrioritized,
		PriorityGroups: []string{priorityGroup},
	}
}
