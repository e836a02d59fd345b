package events

import (
	"cmp"
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// ref is one identifier of a Refs.
type ref struct {
	name       string  // in JSON
	id         *string // in the Refs; "" where that has none
	wire, also string  // its names in v1, Flex and Event Streams payloads, the second "" for most; both "" for those of v2
}

// refCount is how many identifiers Refs has, but for ParticipantIDs.
const refCount = 16

// all is the table of r's identifiers, but for ParticipantIDs, in the order in which they are written. It is made anew for each
// Refs, at the cost of a copy: passed to accessors in a table that all share, r would escape to the heap.
func (r *Refs) all() [refCount]ref {
	return [...]ref{
		{"conversation_sid", (*string)(&r.ConversationSID), "ConversationSid", ""},
		{"participant_sid", (*string)(&r.ParticipantSID), "ParticipantSid", ""},
		{"message_sid", (*string)(&r.MessageSID), "MessageSid", ""},
		{"user_sid", (*string)(&r.UserSID), "UserSid", ""},
		{"role_sid", (*string)(&r.RoleSID), "RoleSid", ""},
		{"chat_service_sid", (*string)(&r.ChatServiceSID), "ChatServiceSid", ""},
		{"messaging_service_sid", (*string)(&r.MessagingServiceSID), "MessagingServiceSid", ""},
		{"delivery_receipt_sid", (*string)(&r.DeliveryReceiptSID), "DeliveryReceiptSid", ""},
		{"channel_message_sid", (*string)(&r.ChannelMessageSID), "ChannelMessageSid", ""},
		{"interaction_sid", (*string)(&r.InteractionSID), "InteractionSid", ""},
		{"channel_sid", (*string)(&r.ChannelSID), "ChannelSid", ""},
		{"instance_sid", (*string)(&r.InstanceSID), "InstanceSid", "FlexInstanceSid"}, // the second is undocumented, but has been seen
		{"task_sid", (*string)(&r.TaskSID), "TaskSid", ""},
		{"media_channel_sid", (*string)(&r.MediaChannelSID), "MediaChannelSid", ""},
		{"conversation_id", (*string)(&r.ConversationID), "", ""},
		{"communication_id", (*string)(&r.CommunicationID), "", ""},
	}
}

// participantIDs is the JSON name of the only list of Refs.
const participantIDs = "participant_ids"

// format is what an identifier may be, as its tag in Refs says.
type format struct {
	v2       bool
	prefixes []validation.Prefix // of a SID; nil for any
}

// formats are those of Refs.all, in the same order.
var formats = taggedFormats()

func taggedFormats() (formats [refCount]format) {
	tags := make(map[string]reflect.StructTag)
	for field := range reflect.TypeFor[Refs]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		tags[name] = field.Tag
	}
	for i, ref := range new(Refs).all() {
		rule, prefixes, _ := strings.Cut(strings.TrimPrefix(tags[ref.name].Get("validate"), "omitempty,"), "=")
		formats[i].v2 = rule == "v2id"
		for prefix := range strings.FieldsSeq(prefixes) {
			formats[i].prefixes = append(formats[i].prefixes, validation.Prefix(prefix))
		}
	}
	return formats
}

func (f format) fits(id string) bool {
	if f.v2 {
		return isV2ID(validation.V2ID(id))
	}
	return validation.IsSID(id, f.prefixes...)
}

// refs returns the well-formed identifiers of m, and what is wrong with the others, by json name. An unknown type
// has no problems: it may use a name that we know for something else.
func (m message) refs() (Refs, validation.Problems) {
	var r Refs
	var problems validation.Problems
	if m.kind.API == participants.Orchestrator {
		r.readV2(m.kind.Resource, m.resource)
	} else {
		problems = r.readSIDs(m.resource)
	}
	for _, p := range r.malformed() {
		r.clear(p.Field)
		problems = append(problems, p)
	}
	if !m.kind.known() {
		return r, nil
	}
	return r, append(problems, r.missing(m.kind, problems)...)
}

// readSIDs reads the SIDs of a v1, Flex or Event Streams payload, without checking their format.
func (r *Refs) readSIDs(from fields) validation.Problems {
	var problems validation.Problems
	for _, ref := range r.all() {
		if ref.wire == "" {
			continue
		}
		sid, _, ok := from.text(ref.wire)
		if ok && sid == "" && ref.also != "" {
			sid, _, ok = from.text(ref.also)
		}
		if !ok {
			problems = append(problems, validation.Problem{Field: strings.Clone(ref.name), Rule: "string"}) // a copy, so that r stays on the stack
		}
		*ref.id = sid
	}
	return problems
}

// readV2 reads the identifiers of a v2 resource, without checking their format. The resource's own id identifies
// what the event is about.
func (r *Refs) readV2(resource string, from fields) {
	id, conversation := v2ID(from, "id"), v2ID(from, "conversationId")
	r.ConversationID = conversation
	switch resource {
	case "conversation":
		r.ConversationID = cmp.Or(id, conversation)
	case "participant":
		if id != "" {
			r.ParticipantIDs = []validation.V2ID{id}
		}
	case "communication":
		r.CommunicationID = id
		r.ParticipantIDs = parties(from)
	}
}

// parties returns the participants of a communication: its author, then its recipients, each once. Who is no participant
// yet has no id. It stops behind MaxParticipants: one more is enough to be refused.
func parties(communication fields) []validation.V2ID {
	var ids []validation.V2ID
	seen := make(map[validation.V2ID]bool)
	add := func(party fields) {
		if id := v2ID(party, "participantId"); id != "" && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	add(communication.object("author"))
	recipients, _ := communication["recipients"].([]any)
	for _, recipient := range recipients {
		if len(ids) > MaxParticipants {
			break
		}
		party, _ := recipient.(fields)
		add(party)
	}
	return ids
}

func v2ID(from fields, name string) validation.V2ID {
	id, _, _ := from.text(name)
	return validation.V2ID(id)
}

// malformed returns the identifiers that are present and break their format.
func (r *Refs) malformed() validation.Problems {
	if r.wellFormed() {
		return nil
	}
	problems, _ := errors.AsType[validation.Problems](validation.Struct(*r)) // a copy, so that r itself stays on the stack
	return problems
}

// wellFormed reports whether validation.Struct would find nothing wrong with r. The tags of Refs own the rules; this is
// their fast path, without reflection: every event is checked several times on its way, and hardly any fails.
// TestIdentifiersAreWhatTheirTagsSay holds the two together.
func (r *Refs) wellFormed() bool {
	for i, ref := range r.all() {
		if *ref.id != "" && !formats[i].fits(*ref.id) {
			return false
		}
	}
	return len(r.ParticipantIDs) <= MaxParticipants && !slices.ContainsFunc(r.ParticipantIDs, func(id validation.V2ID) bool { return !isV2ID(id) })
}

func isV2ID(id validation.V2ID) bool {
	_, err := validation.ParseV2ID(string(id))
	return err == nil
}

// missing returns what k requires and r lacks, except for what problems name already.
func (r *Refs) missing(k Kind, problems validation.Problems) validation.Problems {
	var missing validation.Problems
	for _, name := range k.Requires {
		reported := slices.ContainsFunc(problems, func(p validation.Problem) bool { return base(p.Field) == name })
		if !reported && !r.has(name) {
			missing = append(missing, validation.Problem{Field: name, Rule: "required"})
		}
	}
	return missing
}

func (r *Refs) has(name string) bool {
	if name == participantIDs {
		return len(r.ParticipantIDs) > 0
	}
	id := r.find(name)
	return id != nil && *id != ""
}

func (r *Refs) clear(field string) {
	name := base(field)
	if name == participantIDs {
		r.ParticipantIDs = nil
	} else if id := r.find(name); id != nil {
		*id = ""
	}
}

// find returns where r holds the identifier with a JSON name; nil for a name that none has.
func (r *Refs) find(name string) *string {
	for _, ref := range r.all() {
		if ref.name == name {
			return ref.id
		}
	}
	return nil
}

// base is a field's name without an index: "participant_ids" for "participant_ids[2]".
func base(field string) string {
	name, _, _ := strings.Cut(field, "[")
	return name
}
