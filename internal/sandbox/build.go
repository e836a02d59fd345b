package sandbox

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/validation"
)

// timestamp is how Twilio writes times in webhooks.
const timestamp = "2006-01-02T15:04:05.000Z"

func stamp(at time.Time) string { return at.UTC().Format(timestamp) }

// ConversationsWebhook returns the v1 webhook called name, pre- or post-action, with those of values
// that Twilio documents for it; for an undocumented name with all of them.
func ConversationsWebhook(name string, values Values) Webhook {
	fields := documented(values, conversationsFields(name))
	fields["Source"], fields["ClientIdentity"] = values["Source"], values["ClientIdentity"]
	return form(events.FeedConversations, name, values["AccountSid"], fields)
}

// FlexWebhook is ConversationsWebhook for Flex Interactions.
func FlexWebhook(name string, values Values) Webhook {
	return form(events.FeedFlex, name, values["AccountSid"], documented(values, flexFieldsOf(name)))
}

// form returns a POST of fields and those that every form has.
func form(feed events.Feed, name, account string, fields Values) Webhook {
	body := url.Values{}
	for field, value := range fields.with(Values{"EventType": name, "AccountSid": account}) {
		if value != "" {
			body.Set(field, value)
		}
	}
	return identified(Webhook{
		Feed: feed, Name: name, Method: http.MethodPost,
		ContentType: formType, Body: []byte(body.Encode()),
	})
}

// identified returns w with a unique idempotency token, which becomes the ID of its event.
func identified(w Webhook) Webhook {
	w.Token = strings.ToLower(rand.Text())
	w.IDs = []string{w.Token}
	return w
}

// OrchestratorWebhook returns the v2 webhook called name about data, a resource.
func OrchestratorWebhook(name string, at time.Time, data any) (Webhook, error) {
	body, err := json.Marshal(map[string]any{"eventType": name, "timestamp": stamp(at), "data": data})
	if err != nil {
		return Webhook{}, fmt.Errorf("build %s: %w", name, err)
	}
	return identified(Webhook{
		Feed: events.FeedOrchestrator, Name: name, Method: http.MethodPost, ContentType: jsonType, Body: body,
	}), nil
}

// CloudEvent is one item of an Event Streams batch.
type CloudEvent struct {
	SpecVersion     string         `json:"specversion"`
	Type            string         `json:"type"`
	Source          string         `json:"source"`
	ID              validation.SID `json:"id"`
	DataSchema      string         `json:"dataschema"`
	DataContentType string         `json:"datacontenttype"`
	Time            string         `json:"time"`
	Data            any            `json:"data"`
}

// StreamEvent returns what Event Streams sends for an event of kind k, with the fields of its webhook.
func StreamEvent(k events.Kind, at time.Time, values Values) CloudEvent {
	account := values["AccountSid"]
	fields := documented(values, conversationsFields(k.Name)).with(Values{"AccountSid": account})
	if k.Name == "" { // the test event
		fields = Values{"AccountSid": account}
	}
	schema := strings.TrimPrefix(k.Name, "on")
	return CloudEvent{
		SpecVersion: "1.0", Type: k.Stream, ID: NewSID("EZ"), Time: stamp(at),
		Source:          "/" + account + "/Conversations",
		DataSchema:      "https://events-schemas.twilio.com/Conversations." + schema + "/2",
		DataContentType: jsonType,
		Data:            nested(fields),
	}
}

// nested turns "MessagingBinding.Type" into a nested object, as Event Streams does.
func nested(fields Values) map[string]any {
	data := map[string]any{}
	binding := map[string]string{}
	for name, value := range fields {
		if inner, ok := strings.CutPrefix(name, "MessagingBinding."); ok {
			binding[inner] = value
		} else {
			data[name] = value
		}
	}
	if len(binding) > 0 {
		data["MessagingBinding"] = binding
	}
	return data
}

// WithStringData returns e with its data as a string of JSON, as some sinks receive it.
func (e CloudEvent) WithStringData() (CloudEvent, error) {
	b, err := json.Marshal(e.Data)
	if err != nil {
		return CloudEvent{}, fmt.Errorf("build %s: %w", e.Type, err)
	}
	e.Data = string(b)
	return e, nil
}

// StreamWebhook returns the Event Streams request that carries batch.
func StreamWebhook(batch ...CloudEvent) (Webhook, error) {
	body, err := json.Marshal(batch)
	if err != nil {
		return Webhook{}, fmt.Errorf("build batch: %w", err)
	}
	w := Webhook{Feed: events.FeedEventStreams, Method: http.MethodPost, ContentType: jsonType, Body: body}
	var names []string
	for _, e := range batch {
		names = append(names, e.Type)
		w.IDs = append(w.IDs, string(e.ID))
	}
	w.Name = strings.Join(names, ", ")
	return w, nil
}
