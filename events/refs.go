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

// reference is one SID of Refs: its json name, and the names that Twilio's payloads have for it.
type reference struct {
	name string
	wire []string
}

// references are the SIDs of v1, Flex and Event Streams payloads. They are the first fields of Refs, in the same order.
var references = [...]reference{
	{"conversation_sid", []string{"ConversationSid"}},
	{"participant_sid", []string{"ParticipantSid"}},
	{"message_sid", []string{"MessageSid"}},
	{"user_sid", []string{"UserSid"}},
	{"role_sid", []string{"RoleSid"}},
	{"chat_service_sid", []string{"ChatServiceSid"}},
	{"messaging_service_sid", []string{"MessagingServiceSid"}},
	{"delivery_receipt_sid", []string{"DeliveryReceiptSid"}},
	{"channel_message_sid", []string{"ChannelMessageSid"}},
	{"interaction_sid", []string{"InteractionSid"}},
	{"channel_sid", []string{"ChannelSid"}},
	{"instance_sid", []string{"InstanceSid", "FlexInstanceSid"}}, // the second is undocumented, but has been seen
	{"task_sid", []string{"TaskSid"}},
	{"media_channel_sid", []string{"MediaChannelSid"}},
}

// sidPrefixes are the prefixes that each of references may have, as its tag in Refs says; nil for any.
var sidPrefixes = taggedPrefixes()

func taggedPrefixes() (all [len(references)][]validation.Prefix) {
	refs := reflect.TypeFor[Refs]()
	for i := range references {
		_, prefixes, _ := strings.Cut(refs.Field(i).Tag.Get("validate"), "sid=")
		for prefix := range strings.FieldsSeq(prefixes) {
			all[i] = append(all[i], validation.Prefix(prefix))
		}
	}
	return all
}

// sids returns where r holds each of references.
func (r *Refs) sids() [len(references)]*validation.SID {
	return [...]*validation.SID{
		&r.ConversationSID, &r.ParticipantSID, &r.MessageSID, &r.UserSID, &r.RoleSID, &r.ChatServiceSID, &r.MessagingServiceSID,
		&r.DeliveryReceiptSID, &r.ChannelMessageSID, &r.InteractionSID, &r.ChannelSID, &r.InstanceSID, &r.TaskSID, &r.MediaChannelSID,
	}
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
	sids := r.sids()
	for i, ref := range references {
		sid, _, ok := from.text(ref.wire...)
		if !ok {
			problems = append(problems, validation.Problem{Field: ref.name, Rule: "string"})
		}
		*sids[i] = validation.SID(sid)
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
	for i, sid := range r.sids() {
		if *sid != "" && !validation.IsSID(string(*sid), sidPrefixes[i]...) {
			return false
		}
	}
	return (r.ConversationID == "" || isV2ID(r.ConversationID)) &&
		(r.CommunicationID == "" || isV2ID(r.CommunicationID)) &&
		len(r.ParticipantIDs) <= MaxParticipants && !slices.ContainsFunc(r.ParticipantIDs, func(id validation.V2ID) bool { return !isV2ID(id) })
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
	switch name {
	case "conversation_id":
		return r.ConversationID != ""
	case "communication_id":
		return r.CommunicationID != ""
	case "participant_ids":
		return len(r.ParticipantIDs) > 0
	}
	sid := r.sid(name)
	return sid != nil && *sid != ""
}

func (r *Refs) clear(field string) {
	switch name := base(field); name {
	case "conversation_id":
		r.ConversationID = ""
	case "communication_id":
		r.CommunicationID = ""
	case "participant_ids":
		r.ParticipantIDs = nil
	default:
		if sid := r.sid(name); sid != nil {
			*sid = ""
		}
	}
}

func (r *Refs) sid(name string) *validation.SID {
	for i, sid := range r.sids() {
		if references[i].name == name {
			return sid
		}
	}
	return nil
}

// base is a field's name without an index: "participant_ids" for "participant_ids[2]".
func base(field string) string {
	name, _, _ := strings.Cut(field, "[")
	return name
}
