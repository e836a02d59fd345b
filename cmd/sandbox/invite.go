package main

import (
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// welcome says what is running, before the story.
func (c *demoCmd) welcome(p *printer, pipe *pipeline) {
	p.line("%s", p.style(bold, "Rollcall, all of it in this process: webhooks in, enriched events out."))
	for _, moved := range pipe.moved {
		p.line("%s", p.style(yellow, moved))
	}
	p.line("%-10s %s/webhooks/{%s,%s,%s,%s}", "webhooks", pipe.webhooks,
		events.FeedConversations, events.FeedFlex, events.FeedOrchestrator, events.FeedEventStreams)
	if pipe.public != pipe.webhooks {
		p.line("%-10s %s", "signed for", pipe.public)
	}
	p.line("%-10s %s", "NATS", pipe.nats)
	p.line("%-10s %s", "Twilio", pipe.twilio+" (a fake)")
}

// invite says what to do now, after the story.
func (c *demoCmd) invite(p *printer, pipe *pipeline, sender sandbox.Sender, cast sandbox.Cast) {
	now := time.Now()
	more := sandbox.ConversationsWebhook("onMessageAdded", cast.Message("One more thing...", now))
	title := func(text string) { p.line("\n%s", p.style(bold, text)) }

	title("Now it is your turn.")
	p.line("Webhooks go to:")
	for _, f := range []events.Feed{events.FeedConversations, events.FeedFlex, events.FeedOrchestrator, events.FeedEventStreams} {
		p.line("  %s/webhooks/%s", pipe.webhooks, f)
	}
	p.line("Enriched events come out of NATS at %s", pipe.nats)

	title("Send one more, signed (sent again it is the same webhook, and stored once):")
	p.line("%s", sender.Curl(more))
	p.line("%s", p.style(faint, "or, each time a new one:"))
	p.line("go run ./cmd/sandbox send --count 1 --target %s%s", pipe.webhooks, c.publicFlag())

	title("Put it under load, from another terminal:")
	p.line("go run ./cmd/sandbox load --duration 10s%s%s", targetFlag(pipe), c.publicFlag())

	title("Watch enriched events from elsewhere:")
	p.line("go run ./cmd/sandbox tail --nats-url %s", pipe.nats)
	p.line("nats sub --server %s 'rollcall.enriched.>'   %s", pipe.nats, p.style(faint, "# the nats CLI, if you have it"))
	p.line("\n%s", p.style(faint, "What comes is shown here too. Ctrl-C ends everything."))
}

// targetFlag is what the commands that send must be told; nothing where the ingest is where they look for it anyway.
func targetFlag(pipe *pipeline) string {
	if pipe.webhooks == defaultTarget {
		return ""
	}
	return " --target " + pipe.webhooks
}

func (c *demoCmd) publicFlag() string {
	if c.PublicURL == "" {
		return ""
	}
	return " --public-url " + c.PublicURL
}
