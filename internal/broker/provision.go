package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// leastAPILevel is that of nats-server 2.15, the first whose sourced messages tell which
// RAW they are from: without it, a RAW that was made anew could pass for the old one.
const leastAPILevel = 5

// Provision declares the streams and consumers, and is idempotent. A stream or consumer that is there with another
// shape is not changed: the error names each setting that differs, what it is and what was asked.
func (c *Conn) Provision(ctx context.Context, t Topology) error {
	if err := t.Validate(); err != nil {
		return fmt.Errorf("provision NATS: %w", err)
	}
	t = t.withDefaults()
	if err := c.checkServer(ctx); err != nil {
		return err
	}
	var drift []error
	for _, want := range t.streams() {
		if err := c.declareStream(ctx, want); err != nil {
			drift = append(drift, err)
		}
	}
	if len(drift) > 0 {
		return errors.Join(drift...)
	}
	for p := range t.Partitions {
		if err := c.declareConsumer(ctx, t.consumer(p)); err != nil {
			drift = append(drift, err)
		}
	}
	return errors.Join(drift...)
}

func (c *Conn) checkServer(ctx context.Context) error {
	var info *jetstream.AccountInfo
	err := c.denials.do(ctx, publishing("$JS.API.INFO"), func(ctx context.Context) (err error) {
		info, err = c.js.AccountInfo(ctx)
		return err
	})
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("NATS has no JetStream for this user: %w: start the server with it, or give it to the user's account", err)
	case err != nil:
		return fmt.Errorf("ask NATS for JetStream: %w", err)
	}
	if info.API.Level < leastAPILevel {
		return fmt.Errorf("NATS has JetStream API level %d, and %d is needed: run nats-server 2.15 or later", info.API.Level, leastAPILevel)
	}
	return nil
}

func (c *Conn) declareStream(ctx context.Context, want jetstream.StreamConfig) error {
	s, err := c.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = c.js.CreateStream(ctx, want)
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another provisioner was faster
		s, err = c.js.Stream(ctx, want.Name)
	}
	if err != nil {
		return fmt.Errorf("declare stream %s: %w", want.Name, err)
	}
	return drift("stream "+want.Name, streamSettings(s.CachedInfo().Config), streamSettings(want))
}

func (c *Conn) declareConsumer(ctx context.Context, want jetstream.ConsumerConfig) error {
	cons, err := c.js.Consumer(ctx, queueStream, want.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		cons, err = c.js.CreateConsumer(ctx, queueStream, want)
	}
	if errors.Is(err, jetstream.ErrConsumerExists) {
		cons, err = c.js.Consumer(ctx, queueStream, want.Durable)
	}
	if err != nil {
		return fmt.Errorf("declare consumer %s of stream %s: %w", want.Durable, queueStream, err)
	}
	return drift("consumer "+want.Durable+" of stream "+queueStream, consumerSettings(cons.CachedInfo().Config), consumerSettings(want))
}

// setting is one of those that our promises rest on, as text.
type setting struct{ name, value string }

func set(name string, value any) setting { return setting{name, fmt.Sprint(value)} }

func streamSettings(c jetstream.StreamConfig) []setting {
	return []setting{
		set("subjects", strings.Join(c.Subjects, ",")),
		set("sources", describeSources(c.Sources)),
		set("mirror", c.Mirror != nil),
		set("subject_transform", c.SubjectTransform != nil),
		set("partitions", c.Metadata[metadataPartitions]),
		set("retention", c.Retention),
		set("discard", c.Discard),
		set("discard_new_per_subject", c.DiscardNewPerSubject),
		set("max_age", c.MaxAge),
		set("max_msgs", c.MaxMsgs),
		set("max_bytes", c.MaxBytes),
		set("max_msgs_per_subject", c.MaxMsgsPerSubject),
		set("max_msg_size", c.MaxMsgSize),
		set("storage", c.Storage),
		set("persist_mode", c.PersistMode),
		set("num_replicas", c.Replicas),
		set("duplicate_window", c.Duplicates),
		set("allow_direct", c.AllowDirect),
		set("no_ack", c.NoAck),
		set("sealed", c.Sealed),
	}
}

func describeSources(sources []*jetstream.StreamSource) string {
	var b strings.Builder
	for _, s := range sources {
		fmt.Fprintf(&b, "%s from %d filter %q", s.Name, s.OptStartSeq, s.FilterSubject)
		for _, tr := range s.SubjectTransforms {
			fmt.Fprintf(&b, " %s -> %s", tr.Source, tr.Destination)
		}
	}
	return b.String()
}

func consumerSettings(c jetstream.ConsumerConfig) []setting {
	return []setting{
		set("filter_subject", c.FilterSubject),
		set("filter_subjects", len(c.FilterSubjects)),
		set("deliver_policy", c.DeliverPolicy),
		set("ack_policy", c.AckPolicy),
		set("ack_wait", c.AckWait),
		set("backoff", len(c.BackOff)),
		set("max_deliver", c.MaxDeliver),
		set("max_ack_pending", c.MaxAckPending),
		set("replay_policy", c.ReplayPolicy),
		set("headers_only", c.HeadersOnly),
		set("inactive_threshold", c.InactiveThreshold),
		set("mem_storage", c.MemoryStorage),
		set("priority_policy", policyName(c.PriorityPolicy)),
		set("priority_groups", strings.Join(c.PriorityGroups, ",")),
		set("paused", c.PauseUntil != nil),
	}
}

func policyName(p jetstream.PriorityPolicy) string {
	name, _ := p.MarshalJSON() // an error is of a policy that the client does not know
	return strings.Trim(string(name), `"`)
}

// drift says in which settings got differs from want.
func drift(what string, got, want []setting) error {
	var differs []string
	for i := range want {
		if got[i].value != want[i].value {
			differs = append(differs, fmt.Sprintf("%s is %q, asked for %q", want[i].name, got[i].value, want[i].value))
		}
	}
	if len(differs) == 0 {
		return nil
	}
	return &DriftError{what: what, differs: differs}
}
