package broker

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unique"

	"github.com/nats-io/nats.go"
)

// delivery is what is left of a delivered message once it was read: where the server is told what became of it. A process holds
// thousands of tasks, and jetstream's message would keep its bytes and headers for as long.
type delivery struct {
	nc       courier
	consumer unique.Handle[string] // the part of the reply subject that is the same for all of a consumer's deliveries
	rest     string
}

// afterConsumer is how many tokens of a reply subject come after the consumer's name; what is shared is no more than memory, so that
// another form of subject does no harm.
const afterConsumer = 5

func newDelivery(nc courier, reply string) delivery {
	at := len(reply)
	for range afterConsumer {
		at = max(0, strings.LastIndexByte(reply[:at], '.'))
	}
	return delivery{nc: nc, consumer: unique.Make(reply[:at]), rest: strings.Clone(reply[at:])}
}

// reply is where the server is told.
func (d delivery) reply() string { return d.consumer.Value() + d.rest }

// courier is the connection.
type courier interface {
	Publish(subject string, data []byte) error
	RequestWithContext(ctx context.Context, subject string, data []byte) (*nats.Msg, error)
}

func (d delivery) ack() error        { return d.nc.Publish(d.reply(), []byte("+ACK")) }
func (d delivery) nak() error        { return d.nc.Publish(d.reply(), []byte("-NAK")) }
func (d delivery) inProgress() error { return d.nc.Publish(d.reply(), []byte("+WPI")) }

func (d delivery) nakWithDelay(delay time.Duration) error {
	return d.nc.Publish(d.reply(), fmt.Appendf(nil, `-NAK {"delay": %d}`, delay.Nanoseconds()))
}

func (d delivery) term(reason string) error { return d.nc.Publish(d.reply(), []byte("+TERM "+reason)) }

// doubleAck alone waits for the server.
func (d delivery) doubleAck(ctx context.Context) error {
	_, err := d.nc.RequestWithContext(ctx, d.reply(), []byte("+ACK"))
	return err
}
