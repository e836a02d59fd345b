package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// probeTimeout bounds one question to NATS.
const probeTimeout = 2 * time.Second

// Ready returns nil while work of the Config's role can be done: connected, authorised, the streams
// there, with room, and what is published stored. Else it says why not, in words for an operator. An operation that NATS denied keeps
// it from being ready until the same operation succeeds or the connection is made again.
func (c *Conn) Ready(ctx context.Context) error {
	if status := c.nc.Status(); status != nats.CONNECTED {
		return c.notConnected(status)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	err := c.ready(ctx)
	if err == nil {
		err = c.unstored.err(c.now())
	}
	return errors.Join(err, c.denials.err())
}

// notConnected says where there is no connection to, and what may be done about it.
func (c *Conn) notConnected(status nats.Status) error {
	if err := Unconnected(c.cfg.URL, c.nc.LastError()); err != nil {
		return fmt.Errorf("NATS is not connected (%s): %w", status, err)
	}
	return fmt.Errorf("NATS is not connected (%s)", status) // it is in this process
}

// Unconnected says why there is no connection to any server of urls, and what may be done about it. err is the client's error, nil if it
// has none. Of urls it shows the hosts alone; without any, it returns err.
func Unconnected(urls string, err error) error {
	where := hosts(urls)
	switch {
	case where == "":
		return err
	case errors.Is(err, nats.ErrAuthorization):
		return fmt.Errorf("%w at %s: correct the user or the password", err, where)
	case err == nil, errors.Is(err, nats.ErrNoServers): // which says as much, and nothing more
		return fmt.Errorf("no answer from %s: start the server, or correct NATS_URL", where)
	}
	if _, network := errors.AsType[net.Error](err); network {
		return fmt.Errorf("%w from %s: start the server, or correct NATS_URL", err, where)
	}
	return fmt.Errorf("%w (%s): correct NATS_URL, or the file to log in with", err, where)
}

// hosts are those of a list of URLs, without who logs in there.
func hosts(urls string) string {
	var all []string
	for _, one := range splitURLs(urls) {
		if u, err := url.Parse(one); err == nil && u.Host != "" {
			all = append(all, u.Host)
		}
	}
	return strings.Join(all, ", ")
}

// ready asks for what the role needs. A denial is left to the caller, who reports all that stand.
func (c *Conn) ready(ctx context.Context) error {
	var err error
	for _, stage := range c.cfg.Role.stores() {
		err = errors.Join(err, c.probe(ctx, "rollcall."+string(stage)))
	}
	if c.cfg.Role == RoleEnricher {
		err = errors.Join(err, c.queueReady(ctx))
	}
	var denied *deniedError
	if errors.As(err, &denied) {
		return nil
	}
	return err
}

// probe asks whether a stream listens on a stage's subjects, whether this client may publish there, and whether NATS has room. It
// publishes a message that the server must refuse, for its time to live is none: nothing is stored, and no right is needed but the one that the work
// needs. That is judged after the server's and the account's limits, unlike, on a single server, what a message expects of the stream.
func (c *Conn) probe(ctx context.Context, stage string) error {
	m := nats.NewMsg(stage + ".probe.probe.probe.probe")
	m.Header.Set(jetstream.MsgTTLHeader, "probe")
	err := c.denials.do(ctx, publishing(m.Subject), func(ctx context.Context) error {
		_, err := c.js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0))
		if code := apiCode(err); code == errCodeTTLInvalid || code == errCodeTTLDisabled {
			return nil
		}
		return err
	})
	switch {
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("no stream of NATS takes %s.>: provision the streams", stage)
	case hasNoRoom(err):
		return fmt.Errorf("NATS has no room for %s.>: %w: enlarge its disk or its limits", stage, err)
	case err != nil:
		return fmt.Errorf("ask NATS about %s.>: %w", stage, err)
	}
	return nil
}

// How the server refuses a probe; and every message, where the account has reached a limit.
const (
	errCodeTTLInvalid       jetstream.ErrorCode = 10165
	errCodeTTLDisabled      jetstream.ErrorCode = 10166
	errCodeAccountResources jetstream.ErrorCode = 10002
)

// hasNoRoom reports whether the server refuses every message, since it or the account has reached a limit.
func hasNoRoom(err error) bool {
	code := apiCode(err)
	return code == errCodeInsufficientResources || code == errCodeAccountResources
}

// queueReady asks whether QUEUE is whole, and whether this client may pull from it.
func (c *Conn) queueReady(ctx context.Context) error {
	partitions, consumers, err := c.queueInfo(ctx)
	if err != nil {
		return err
	}
	if consumers < partitions {
		return fmt.Errorf("stream %s has %d of its %d consumers: provision it again", queueStream, consumers, partitions)
	}
	return c.mayPull(ctx, partitions)
}

// mayPull asks whether this client may pull from every partition, and returns an error only when it may not: whether a consumer answers is not asked. A pull
// that stands at the server would tell when it is renewed, and one that was refused when it is tried again, which both take too long.
// What it sends is no pull: the server can only refuse it.
func (c *Conn) mayPull(ctx context.Context, partitions int) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout/4) // the rest is for other questions
	defer cancel()
	err := c.denials.do(ctx, publishing(pullSubject(0)), func(ctx context.Context) error {
		asking, ctx := errgroup.WithContext(ctx)
		for p := range partitions {
			asking.Go(func() error {
				_, err := c.nc.RequestWithContext(ctx, pullSubject(p), []byte("{"))
				return err
			})
		}
		return asking.Wait()
	})
	var denied *deniedError
	if errors.As(err, &denied) {
		return err
	}
	return nil
}
