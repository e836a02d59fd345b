package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// probeTimeout bounds one question to NATS.
const probeTimeout = 2 * time.Second

// Ready returns nil while work of the Config's role can be done: connected, authorised, the streams
// there. Else it says why not, in words for an operator. An operation that NATS denied keeps
// it from being ready until the same operation succeeds or the connection is made again.
func (c *Conn) Ready(ctx context.Context) error {
	if status := c.nc.Status(); status != nats.CONNECTED {
		if err := c.nc.LastError(); err != nil {
			return fmt.Errorf("NATS is not connected (%s): %w", status, err)
		}
		return fmt.Errorf("NATS is not connected (%s)", status)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return errors.Join(c.ready(ctx), c.denials.err())
}

// ready asks for what the role needs. A denial is left to the caller, who reports all that stand.
func (c *Conn) ready(ctx context.Context) error {
	var err error
	switch c.cfg.Role {
	case RoleIngest:
		err = errors.Join(c.probe(ctx, "rollcall.raw"), c.probe(ctx, "rollcall.dead"))
	case RoleEnricher:
		err = errors.Join(c.probe(ctx, "rollcall.enriched"), c.probe(ctx, "rollcall.buried"), c.probe(ctx, "rollcall.dead"), c.queueReady(ctx))
	}
	var denied *deniedError
	if errors.As(err, &denied) {
		return nil
	}
	return err
}

// probe asks whether a stream listens on a stage's subjects and whether this client may publish there. It
// publishes a message that the server must refuse, for it expects a stream of another name: nothing is
// stored, and no right is needed but the one that the work needs.
func (c *Conn) probe(ctx context.Context, stage string) error {
	m := nats.NewMsg(stage + ".probe.probe.probe.probe")
	err := c.denials.do(ctx, publishing(m.Subject), func(ctx context.Context) error {
		_, err := c.js.PublishMsg(ctx, m, jetstream.WithExpectStream("ROLLCALL_PROBE"), jetstream.WithRetryAttempts(0))
		if apiCode(err) == errCodeStreamNotMatch {
			return nil
		}
		return err
	})
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		return fmt.Errorf("no stream of NATS takes %s.>: provision the streams", stage)
	}
	if err != nil {
		return fmt.Errorf("ask NATS about %s.>: %w", stage, err)
	}
	return nil
}

// errCodeStreamNotMatch is the server's "expected stream does not match".
const errCodeStreamNotMatch jetstream.ErrorCode = 10060

func (c *Conn) queueReady(ctx context.Context) error {
	partitions, err := c.partitions(ctx)
	if err != nil {
		return err
	}
	name := consumerName(partitions - 1) // the last to be made
	err = c.denials.do(ctx, publishing("$JS.API.CONSUMER.INFO."+queueStream+"."+name), func(ctx context.Context) error {
		_, err := c.js.Consumer(ctx, queueStream, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("look up consumer %s: %w", name, err)
	}
	return nil
}
