package events

import (
	"github.com/rollcall-events/rollcall/validation"
)

// readStream reads an Event Streams delivery: an array of CloudEvents, or one alone.
func readStream(d Delivery) ([]message, error) {
	v, err := parseJSON(d.Body)
	if err != nil {
		return nil, err
	}
	items, ok := v.([]any)
	if alone, isObject := v.(fields); isObject {
		items, ok = []any{alone}, true
	}
	switch {
	case !ok:
		return nil, errNotArray
	case len(items) > MaxBatch:
		return nil, errBatch
	}
	messages := make([]message, len(items))
	for i, item := range items {
		messages[i] = readCloudEvent(item)
	}
	return messages, nil
}

// readCloudEvent reads one item of a batch. It is identified by its own id; the delivery's token
// identifies the batch.
func readCloudEvent(item any) message {
	event, ok := item.(fields)
	if !ok {
		return message{problems: validation.Problems{{Field: "event", Rule: "object"}}, body: appendValue(nil, item)}
	}
	var m message
	m.nameFrom(event, "type")
	m.kind = kindStreamed(m.name)
	m.claimed, _, _ = event.text("id")
	m.clock, _, _ = event.text("time")
	m.payloadFrom(event["data"])
	if len(m.problems) > 0 {
		m.body = event.raw()
	}
	m.resource = m.payload
	m.envelope = event
	delete(m.envelope, "data")
	return m
}

// payloadFrom reads a CloudEvent's data: an object, or a string that holds one as JSON. Absent data is an empty object.
func (m *message) payloadFrom(data any) {
	switch v := data.(type) {
	case nil:
		m.payload = fields{}
	case fields:
		m.payload = v
	case string:
		payload, err := parseObject([]byte(v))
		if err != nil {
			m.problems = append(m.problems, validation.Problem{Field: "data", Rule: "object"})
		}
		m.payload = payload
	default:
		m.problems = append(m.problems, validation.Problem{Field: "data", Rule: "object"})
	}
}
