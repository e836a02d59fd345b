package events

import (
	"mime"
	"net/http"
	"strings"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// message is one event's worth of a delivery, decoded and not yet believed.
type message struct {
	kind     Kind
	name     string // Twilio's name for the type
	claimed  string // the id that Twilio gave it, if any
	clock    string // the feed's own timestamp, if any
	payload  fields
	resource fields // where the identifiers are: the payload, or its data in v2
	envelope fields // Event Streams alone

	problems validation.Problems // what makes it no event at all
	body     []byte              // the item of a batch, where there are problems
}

// read decodes a delivery into its messages. An error says why nothing of it can be read.
func read(d Delivery) ([]message, error) {
	switch d.Feed {
	case FeedEventStreams:
		return readStream(d)
	case FeedOrchestrator:
		return readOrchestrator(d)
	default:
		return readWebhook(d)
	}
}

// readWebhook reads a v1 or a Flex webhook.
func readWebhook(d Delivery) ([]message, error) {
	payload, err := readFields(d)
	if err != nil {
		return nil, err
	}
	m := message{claimed: d.IdempotencyToken, payload: payload, resource: payload}
	m.nameFrom(payload, "EventType")
	m.kind = kindNamed(webhookAPI(d.Feed, payload), m.name)
	return []message{m}, nil
}

// webhookAPI tells v1 from Flex by the identifiers, which know better than the route: both
// have an onParticipantUpdated, and a webhook may point at the other's route.
func webhookAPI(feed Feed, payload fields) API {
	_, flex := payload["InteractionSid"]
	_, v1 := payload["ConversationSid"]
	switch {
	case flex && !v1:
		return participants.Flex
	case v1 && !flex:
		return participants.Conversations
	default:
		return feed.api()
	}
}

// readOrchestrator reads a v2 webhook: eventType, timestamp, data.
func readOrchestrator(d Delivery) ([]message, error) {
	payload, err := readFields(d)
	if err != nil {
		return nil, err
	}
	m := message{claimed: d.IdempotencyToken, payload: payload, resource: payload.object("data")}
	m.nameFrom(payload, "eventType")
	m.clock, _, _ = payload.text("timestamp")
	m.kind = kindNamed(participants.Orchestrator, m.name)
	return []message{m}, nil
}

// readFields reads the query of a GET, a JSON object, or else a form.
func readFields(d Delivery) (fields, error) {
	switch {
	case d.Method == http.MethodGet:
		f, err := parseForm(d.Query)
		delete(f, "bodySHA256")
		return f, err
	case d.Feed == FeedOrchestrator || isJSON(d.ContentType):
		return parseObject(d.Body)
	default:
		return parseForm(string(d.Body))
	}
}

func isJSON(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	if !strings.HasSuffix(strings.ToLower(strings.TrimSpace(media)), "json") {
		return false // as of most: no parameters need to be parsed
	}
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "application/json" || strings.HasSuffix(t, "+json"))
}

// body is what the delivery said, for a dead letter.
func (d Delivery) body() []byte {
	if d.Method == http.MethodGet {
		return []byte(d.Query)
	}
	return d.Body
}

// nameFrom takes the name of the type from field, without which a message is no event.
func (m *message) nameFrom(from fields, field string) {
	name, _, ok := from.text(field)
	switch {
	case !ok:
		m.problems = append(m.problems, validation.Problem{Field: field, Rule: "string"})
	case name == "":
		m.problems = append(m.problems, validation.Problem{Field: field, Rule: "required"})
	}
	m.name = name
}
