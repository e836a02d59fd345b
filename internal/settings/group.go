package settings

import "github.com/alecthomas/kong"

// groups returns the groups of settings that the tags may name, in the order in which --help and the README show them.
func groups() []kong.Group {
	return []kong.Group{
		{Key: "webhooks", Title: "Webhooks"},
		{Key: "nats", Title: "NATS"},
		{Key: "twilio", Title: "Twilio", Description: "Secrets have no flag. Set TWILIO_AUTH_TOKEN (and for an API key TWILIO_API_SECRET) in the environment, or name files that hold them."},
		{Key: "outbox", Title: "Outbox"},
		{Key: "enrichment", Title: "Enrichment"},
		{Key: "streams", Title: "Streams"},
		{Key: "ops", Title: "Operation"},
	}
}
