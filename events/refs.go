package events

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// reference is one SID of Refs: its json name, Twilio's names for it, and what it may begin with, nil for
// anything: the same as its tag says.
type reference struct {
	name string
	wire []string

	prefixes prefixes
}

type prefixes []validation.Prefix

// references are the SIDs of v1, Flex and Event Streams payloads, in the order of Refs.
var references = [...]reference{
	{"conversation_sid", []string{"ConversationSid"}, prefixes{"CH"}},
	{"participant_sid", []string{"ParticipantSid"}, prefixes{"MB", "UT"}},
	{"message_sid", []string{"MessageSid"}, prefixes{"IM"}},
	{"user_sid", []string{"UserSid"}, prefixes{"US"}},
	{"role_sid", []string{"RoleSid"}, prefixes{"RL"}},
	{"chat_service_sid", []string{"ChatServiceSid"}, prefixes{"IS"}},
	{"messaging_service_sid", []string{"MessagingServiceSid"}, prefixes{"MG"}},
	{"delivery_receipt_sid", []string{"DeliveryReceiptSid"}, prefixes{"DY"}},
	{"channel_message_sid", []string{"ChannelMessageSid"}, nil},
	{"interaction_sid", []string{"InteractionSid"}, prefixes{"KD"}},
	{"channel_sid", []string{"ChannelSid"}, prefixes{"UO"}},
	// The first is documented, the second seen.
	{"instance_sid", []string{"InstanceSid", "FlexInstanceSid"}, prefixes{"GO"}},
	{"task_sid", []string{"TaskSid"}, prefixes{"WT"}},
	{"media_channel_sid", []string{"MediaChannelSid"}, nil},
}

// sids are where r has each of references.
func (r *Refs) sids() [len(references)]*validation.SID {
	return [...]*validation.SID{
		&r.ConversationSID, &r.ParticipantSID, &r.MessageSID, &r.UserSID, &r.RoleSID, &r.ChatServiceSID, &r.MessagingServiceSID,
		&r.DeliveryReceiptSID, &r.ChannelMessageSID, &r.InteractionSID, &r.ChannelSID, &r.InstanceSID, &r.TaskSID, &r.MediaChannelSID,
	}
}

// refs returns the identifiers of m that are well formed, and what is wrong with the others, by json
// name. Of an unknown type nothing is demanded: what it calls by a name that we know may be something else.
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

// readSIDs takes the SIDs of a v1, Flex or Event Streams payload as they are.
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

// readV2 takes the identifiers of a v2 resource as they are. Its own id is what the event is about.
func (r *Refs) readV2(resource string, from fields) {
	id, conversation := v2ID(from, "id"), v2ID(from, "conversationId")
	r.ConversationID = conversation
	switch resource {
	case "conversation":
		r.ConversationID = cmp.Or(id, conversation)
	case "participant":
		r.addParticipant(id)
	case "communication":
		r.CommunicationID = id
		r.addParticipant(v2ID(from.object("author"), "participantId"))
		recipients, _ := from["recipients"].([]any)
		for _, recipient := range recipients {
			o, _ := recipient.(fields)
			r.addParticipant(v2ID(o, "participantId"))
		}
	}
}

func v2ID(from fields, name string) validation.V2ID {
	id, _, _ := from.text(name)
	return validation.V2ID(id)
}

// addParticipant adds id once. An address that Twilio has no participant for yet has none.
func (r *Refs) addParticipant(id validation.V2ID) {
	if id != "" && !slices.Contains(r.ParticipantIDs, id) {
		r.ParticipantIDs = append(r.ParticipantIDs, id)
	}
}

// malformed returns the identifiers that are there and break their format.
func (r *Refs) malformed() validation.Problems {
	if r.wellFormed() {
		return nil
	}
	problems, _ := errors.AsType[validation.Problems](validation.Struct(*r)) // a copy: r itself need not leave the stack
	return problems
}

// wellFormed reports whether every identifier keeps to its tag. Each event is checked several times on its way and
// next to none fails: what the tags say by reflection, field by field, is needed only to say what is wrong.
func (r *Refs) wellFormed() bool {
	for i, sid := range r.sids() {
		if *sid != "" && !validation.IsSID(string(*sid), references[i].prefixes...) {
			return false
		}
	}
	return (r.ConversationID == "" || isV2ID(r.ConversationID)) &&
		(r.CommunicationID == "" || isV2ID(r.CommunicationID)) &&
		!slices.ContainsFunc(r.ParticipantIDs, func(id validation.V2ID) bool { return !isV2ID(id) })
}

func isV2ID(id validation.V2ID) bool {
	_, err := validation.ParseV2ID(string(id))
	return err == nil
}

// missing returns what k requires, is not there, and is not among the problems already.
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
