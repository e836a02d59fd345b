package sandbox

import (
	"net/http"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// Step is one thing that happens in a story: the world changes, and Twilio sends a webhook.
type Step struct {
	Title   string
	Change  func(*State) // to be made before the webhook is sent; may be nil
	Webhook Webhook
	Forged  bool   // to be sent with SendForged
	Status  int    // the right answer
	Wants   []Want // what must come out; nothing for a webhook that is refused or repeated
}

// Scenario returns a story that shows everything: every feed, every lookup, and events that are gone,
// unknown, malformed, repeated and forged. The world must be c.State when it begins. What comes of a
// step must be awaited before the next one, which may change who is there.
func Scenario(c Cast, at time.Time) ([]Step, error) {
	s := story{cast: c, at: at.Add(-time.Minute)} // a second per step, so that it ends before at
	s.textIn()
	s.agentJoins()
	s.delivery()
	s.otherService()
	s.stream()
	s.flex()
	s.orchestrator()
	s.endings()
	s.unwelcome()
	return s.steps, s.err
}

// story collects steps, and the first error.
type story struct {
	cast  Cast
	at    time.Time
	steps []Step
	err   error
}

// tell adds a step whose events are all enriched with the same roster.
func (s *story) tell(title string, w Webhook, roster events.RosterStatus, people ...participants.Participant) *Step {
	step := Step{Title: title, Webhook: w, Status: http.StatusOK}
	for _, id := range w.IDs {
		step.Wants = append(step.Wants, Want{ID: id, Name: w.Name, Roster: roster, People: people})
	}
	s.steps = append(s.steps, step)
	return &s.steps[len(s.steps)-1]
}

// v1 returns a v1 webhook about Support.
func (s *story) v1(name string, values Values) Webhook {
	s.at = s.at.Add(time.Second)
	return ConversationsWebhook(name, s.cast.Values(s.at).with(values))
}

func (s *story) textIn() {
	dana := s.cast.Dana.Expected()
	s.tell("A text arrives; may a conversation be opened for it?", s.v1("onConversationAdd", nil), events.RosterNotNeeded)
	s.tell("The conversation is there", s.v1("onConversationAdded", nil), events.RosterResolved, dana)
	s.tell("Dana says hello", s.v1("onMessageAdded", Values{"Body": "Hello, anybody there?"}), events.RosterResolved, dana)
}

// chatterValues returns values of webhooks about p, who has a chat identity, and about p's messages.
func chatterValues(p ConversationParticipant) Values {
	return Values{
		"ParticipantSid": string(p.SID), "Identity": string(p.Identity), "ClientIdentity": string(p.Identity),
		"Author": string(p.Identity), "Attributes": p.Attributes, "Source": "SDK",
		"MessagingBinding.Type": "", "MessagingBinding.Address": "", "MessagingBinding.ProxyAddress": "",
	}
}

func (s *story) agentJoins() {
	dana, omar := s.cast.Dana.Expected(), s.cast.Omar.Expected()
	his := chatterValues(s.cast.Omar)
	s.tell("Omar joins", s.v1("onParticipantAdded", his), events.RosterResolved, dana, omar).
		Change = func(w *State) { w.JoinConversation(s.cast.Support.SID, s.cast.Omar) }
	answer := his.with(Values{"Body": "Hi Dana, it's Omar. How can I help?"})
	s.tell("Omar is about to answer: may he?", s.v1("onMessageAdd", answer), events.RosterResolved, dana, omar)
	s.tell("Omar has answered (a webhook sent as GET)", s.v1("onMessageAdded", answer).AsGet(), events.RosterResolved, dana, omar)
}

func (s *story) delivery() {
	dana, omar := s.cast.Dana.Expected(), s.cast.Omar.Expected()
	w := s.v1("onDeliveryUpdated", nil)
	s.tell("Dana's phone has it", w, events.RosterResolved, dana, omar)
	s.steps = append(s.steps, Step{Title: "Twilio sends the same webhook again: stored once", Webhook: w, Status: http.StatusOK})
}

func (s *story) otherService() {
	maya := s.cast.Maya
	values := Values{
		"ConversationSid": string(s.cast.VIP.SID), "ChatServiceSid": string(s.cast.VIP.Service), "ParticipantSid": string(maya.SID),
		"Author": maya.MessagingBinding.Address, "Body": "Bonjour", "Source": "WHATSAPP",
	}
	s.tell("Maya writes, in a conversation that only its own service knows", s.v1("onMessageAdded", values),
		events.RosterResolved, maya.Expected())
}

func (s *story) stream() {
	c := s.cast
	joined, ok := events.KindOf(participants.Conversations, "participant", "added")
	said, ok2 := events.KindOf(participants.Conversations, "message", "added")
	if !ok || !ok2 {
		return // the tests of events' kinds would fail
	}
	hers := chatterValues(c.Rosa)
	first := StreamEvent(joined, s.at, c.Values(s.at).with(hers))
	second, err := StreamEvent(said, s.at, c.Values(s.at).with(hers, Values{"Body": "I'm listening in."})).WithStringData()
	s.fail(err)
	w, err := StreamWebhook(first, second)
	s.fail(err)
	step := s.tell("Event Streams: Rosa joins and speaks, two events in one batch", w, events.RosterResolved,
		c.Dana.Expected(), c.Omar.Expected(), c.Rosa.Expected())
	step.Change = func(w *State) { w.JoinConversation(c.Support.SID, c.Rosa) }
	for i, name := range []string{joined.Stream, said.Stream} {
		step.Wants[i].Name = name
	}
}

func (s *story) flex() {
	c, values := s.cast, s.cast.FlexValues()
	caller, agent := c.Caller.Expected(), c.FlexOmar.Expected()
	s.tell("Flex: a channel for Dana", FlexWebhook("onChannelCreated", values), events.RosterResolved, caller)
	s.tell("Flex: Omar takes the task", FlexWebhook("onParticipantJoined", values), events.RosterResolved, caller, agent).
		Change = func(w *State) { w.JoinChannel(c.Desk.SID, c.FlexOmar) }
	s.tell("Flex: Omar leaves", FlexWebhook("onParticipantLeft", values), events.RosterResolved, caller).
		Change = func(w *State) { w.LeaveChannel(c.Desk.SID, c.FlexOmar.SID) }
}

// v2 returns a v2 webhook about data.
func (s *story) v2(name string, data any) Webhook {
	w, err := OrchestratorWebhook(name, s.at, data)
	s.fail(err)
	return w
}

func (s *story) orchestrator() {
	c := s.cast
	danaV2 := c.Order.Participants[0]
	dana, iris := danaV2.Expected(), c.Iris.Expected()
	s.tell("Orchestrator: Dana and an AI agent", s.v2("CONVERSATION_CREATED", c.V2Data()), events.RosterResolved, dana, iris)
	s.tell("Orchestrator: Dana asks", s.v2("COMMUNICATION_CREATED", c.Communication("Is my order on its way?", danaV2, c.Iris)),
		events.RosterResolved, dana, iris)
	s.tell("Orchestrator: a human is added", s.v2("PARTICIPANT_ADDED", c.Lee), events.RosterResolved, c.Lee.Expected()).
		Change = func(w *State) { w.JoinV2Conversation(c.Order.ID, c.Lee) }
	gone := s.tell("Orchestrator: and removed: gone", s.v2("PARTICIPANT_REMOVED", c.Lee), events.RosterGone)
	gone.Change = func(w *State) { w.LeaveV2Conversation(c.Order.ID, c.Lee.ID) }
	gone.Wants[0].Gone = []validation.V2ID{c.Lee.ID}
}

func (s *story) endings() {
	support := s.cast.Support.SID
	s.tell("Omar is online: an event that is about no conversation", s.v1("onUserUpdated", chatterValues(s.cast.Omar)), events.RosterNotNeeded)
	s.tell("The conversation is removed: gone", s.v1("onConversationRemoved", nil), events.RosterGone).
		Change = func(w *State) { w.RemoveConversation(support) }
}

// unwelcome adds webhooks that must not be enriched, and last one that is: once that has come out, so has whatever
// wrongly came of the others.
func (s *story) unwelcome() {
	s.steps = append(s.steps, Step{
		Title: "A forged signature is refused", Webhook: s.v1("onMessageAdded", nil), Forged: true, Status: http.StatusForbidden,
	})
	broken := s.v1("onMessageAdded", Values{"ConversationSid": "CH-of-no-conversation"})
	s.steps = append(s.steps, Step{
		Title: "Well signed, but malformed: a dead letter", Webhook: broken, Status: http.StatusOK,
		Wants: []Want{{ID: broken.Token, Reason: events.ReasonInvalid}},
	})
	reaction := ConversationsWebhook("onReactionAdded", Values{
		"AccountSid": string(s.cast.Account), "ConversationSid": string(s.cast.Support.SID), "Source": "SDK",
		"ParticipantSid": string(s.cast.Dana.SID), "Reaction": "thumbs-up",
	})
	s.tell("A type that nobody knows yet is passed on whole", reaction, events.RosterNotNeeded)
}

func (s *story) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}
