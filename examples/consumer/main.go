// Command consumer prints who is in the conversation of every message, and takes up
// where it left off when it is started again.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := consume(ctx, os.Getenv("NATS_URL")); err != nil {
		log.Fatal(err)
	}
}

func consume(ctx context.Context, url string) error {
	nc, err := nats.Connect(url, nats.CustomInboxPrefix("_INBOX_consumer"), nats.MaxReconnects(-1)) // -1: never give up
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	consumer, err := js.CreateOrUpdateConsumer(ctx, "ROLLCALL_ENRICHED", jetstream.ConsumerConfig{
		Durable:       "printer",
		FilterSubject: events.Pattern(events.StageEnriched, "", "message", "", ""),
		MaxAckPending: 1, // one at a time keeps the order within each conversation
	})
	if err != nil {
		return err
	}
	work, err := consumer.Consume(handle)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		work.Drain()
		<-work.Closed()
		return nil
	case <-work.Closed():
		return errors.New("the consumer was deleted")
	}
}

// handle acknowledges an event once it is dealt with: until then JetStream delivers it again.
func handle(msg jetstream.Msg) {
	e, err := events.DecodeEnriched(msg.Data())
	if err != nil {
		log.Print(err)
		_ = msg.Term()
		return
	}
	fmt.Printf("%s in %s:\n", e.Name, e.Key())
	for _, p := range e.Roster.Participants {
		fmt.Println("  ", p.ID, p.Identity, p.Name, p.Addresses)
	}
	_ = msg.Ack()
}
