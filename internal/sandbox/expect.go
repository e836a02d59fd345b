package sandbox

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// Want is what must come out for one event: an enriched event with this roster or,
// if Reason is set, a dead letter.
type Want struct {
	ID     string        // of the event
	Reason events.Reason // of the dead letter; "" for an enriched event

	Name   string // Twilio's name for the event
	Roster events.RosterStatus
	People []participants.Participant // everyone in the roster, in any order
	Gone   []validation.V2ID
}

// CheckEnriched returns how e differs from w, in words; nil when it does not.
func (w Want) CheckEnriched(e events.Enriched) []string {
	if w.Reason != "" {
		return []string{fmt.Sprintf("enriched, want a dead letter with reason %s", w.Reason)}
	}
	var wrong []string
	if e.Name != w.Name {
		wrong = append(wrong, fmt.Sprintf("named %q, want %q", e.Name, w.Name))
	}
	if e.Roster.Status != w.Roster {
		wrong = append(wrong, fmt.Sprintf("roster is %s, want %s", e.Roster.Status, w.Roster))
	}
	if !slices.Equal(e.Roster.Gone, w.Gone) {
		wrong = append(wrong, fmt.Sprintf("%d are gone, want %d", len(e.Roster.Gone), len(w.Gone)))
	}
	return append(wrong, comparePeople(e.Roster.Participants, w.People)...)
}

// CheckDead returns how d differs from w, in words; nil when it does not.
func (w Want) CheckDead(d events.DeadLetter) []string {
	if w.Reason == "" {
		return []string{fmt.Sprintf("dead with reason %s, want it enriched", d.Reason)}
	}
	if d.Reason != w.Reason {
		return []string{fmt.Sprintf("dead with reason %s, want %s", d.Reason, w.Reason)}
	}
	return nil
}

func comparePeople(got, want []participants.Participant) []string {
	var wrong []string
	for _, w := range want {
		i := slices.IndexFunc(got, func(g participants.Participant) bool { return g.ID == w.ID })
		if i < 0 {
			wrong = append(wrong, "participant "+w.ID+" is missing")
		} else if fields := differences(got[i], w); len(fields) > 0 {
			wrong = append(wrong, "participant "+w.ID+" differs in "+strings.Join(fields, ", "))
		}
	}
	for _, g := range got {
		if !slices.ContainsFunc(want, func(w participants.Participant) bool { return g.ID == w.ID }) {
			wrong = append(wrong, "participant "+g.ID+" is not expected")
		}
	}
	if len(wrong) == 0 && len(got) != len(want) {
		wrong = append(wrong, fmt.Sprintf("%d participants, want %d", len(got), len(want)))
	}
	return wrong
}

// differences returns the JSON fields in which two participants differ. It ignores the URL, which
// names the host that answered.
func differences(got, want participants.Participant) []string {
	g, w := fieldsOf(got), fieldsOf(want)
	var names []string
	for name := range g {
		if _, ok := w[name]; !ok {
			w[name] = nil
		}
	}
	for name := range w {
		if name != "url" && !reflect.DeepEqual(g[name], w[name]) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func fieldsOf(p participants.Participant) map[string]any {
	var fields map[string]any
	b, err := json.Marshal(p)
	if err == nil {
		err = json.Unmarshal(b, &fields)
	}
	if err != nil {
		return map[string]any{"unreadable": err.Error()}
	}
	return fields
}

// Expected is p as an enriched event must show it.
func (p ConversationParticipant) Expected() participants.Participant {
	e := participants.Participant{
		API: participants.Conversations, ID: string(p.SID), AccountID: string(p.AccountSID),
		ConversationID: string(p.ConversationSID), Identity: string(p.Identity), RoleSID: string(p.RoleSID),
		Attributes: json.RawMessage(p.Attributes), CreatedAt: present(p.DateCreated), UpdatedAt: present(p.DateUpdated),
	}
	if b := p.MessagingBinding; b != nil {
		e.Addresses = []participants.Address{{
			Channel: b.Type, Address: b.Address, ProxyAddress: b.ProxyAddress, ProjectedAddress: b.ProjectedAddress,
		}}
	}
	if p.LastReadMessageIndex != nil || p.LastReadTimestamp != "" {
		e.LastRead = &participants.LastRead{MessageIndex: p.LastReadMessageIndex, Timestamp: string(p.LastReadTimestamp)}
	}
	return e
}

// Expected is p as an enriched event must show it.
func (p ChannelParticipant) Expected() participants.Participant {
	e := participants.Participant{
		API: participants.Flex, ID: string(p.SID), Type: p.Type,
		InteractionSID: string(p.InteractionSID), ChannelSID: string(p.ChannelSID),
	}
	if p.RoutingProperties != nil {
		e.Routing = fmt.Appendf(nil, `{"task_sid":%q,"worker_sid":%q,"reservation_sid":%q}`,
			p.RoutingProperties.TaskSID, p.RoutingProperties.WorkerSID, p.RoutingProperties.ReservationSID)
	}
	return e
}

// Expected is p as an enriched event must show it.
func (p V2Participant) Expected() participants.Participant {
	e := participants.Participant{
		API: participants.Orchestrator, ID: string(p.ID), AccountID: string(p.AccountID), ConversationID: string(p.ConversationID),
		Type: p.Type, Name: string(p.Name), ProfileID: string(p.ProfileID),
		CreatedAt: present(p.CreatedAt), UpdatedAt: present(p.UpdatedAt),
	}
	for _, a := range p.Addresses {
		e.Addresses = append(e.Addresses, participants.Address{Channel: a.Channel, Address: a.Address, ChannelID: string(a.ChannelID)})
	}
	return e
}

func present(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
