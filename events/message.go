package events

import (
	"mime"
	"net/http"
	"strings"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// message is what a delivery says of one event, decoded but not yet checked.
type message struct {
	kind     Kind
	name     string // Twilio's name for the type
	claimed  string // the id that Twilio gave it, if any
	clock    string // the time that the feed gave it, if any
	payload  fields
	resource fields // where the identifiers are: the payload or, in v2, its data
	envelope fields // Event Streams only

	problems validation.Problems // why it is not an event at all
	body     []byte              // of an item of a batch that has problems: the item
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

// webhookAPI tells v1 from Flex by the identifiers rather than by the route: both have an
// onParticipantUpdated, and a webhook may be pointed at the other's route.
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
		return false // the usual case, without the cost of parsing parameters
	}
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "application/json" || strings.HasSuffix(t, "+json"))
}

// body returns what the delivery carried, for a dead letter.
func (d Delivery) body() []byte {
	if d.Method == http.MethodGet {
		return []byte(d.Query)
	}
	return d.Body
}

// nameFrom reads the name of the type from field. A message without one is not an event.
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
