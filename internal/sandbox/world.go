package sandbox

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/rollcall-events/rollcall/validation"
)

// World is what the fake Twilio knows. It is safe for concurrent use: the State that a reader
// has does not change when the World does.
type World struct {
	change sync.Mutex
	state  atomic.Pointer[State]
}

// NewWorld returns a World that begins as s.
func NewWorld(s State) *World {
	w := &World{}
	w.Replace(s)
	return w
}

// State returns the world as it is now. The caller must not change it.
func (w *World) State() State { return *w.state.Load() }

// Replace makes s the state of the world.
func (w *World) Replace(s State) {
	w.change.Lock()
	defer w.change.Unlock()
	s = s.clone()
	w.state.Store(&s)
}

// Change lets edit change the state. All its changes become visible together, when it returns.
func (w *World) Change(edit func(*State)) {
	w.change.Lock()
	defer w.change.Unlock()
	s := w.State().clone()
	edit(&s)
	w.state.Store(&s)
}

// State is a world at one moment: accounts and conversations by their identifiers.
type State struct {
	Accounts        map[validation.SID]Account         `json:"accounts"`
	Conversations   map[validation.SID]Conversation    `json:"conversations"`    // v1
	Channels        map[validation.SID]Channel         `json:"channels"`         // Flex
	V2Conversations map[validation.V2ID]V2Conversation `json:"v2_conversations"` // v2
}

// Account is who may call the API.
type Account struct {
	SID       validation.SID    `json:"sid"`
	AuthToken string            `json:"auth_token"`         // with SID as the user name
	APIKeys   map[string]string `json:"api_keys,omitempty"` // secret by key SID
}

// accepts reports whether a user name and a password are this account's.
func (a Account) accepts(username, password string) bool {
	if password == "" {
		return false
	}
	return (username == string(a.SID) && password == a.AuthToken) || a.APIKeys[username] == password
}

// clone copies s as deeply as the methods of State change it.
func (s State) clone() State {
	s.Accounts = orEmpty(maps.Clone(s.Accounts))
	s.Conversations = orEmpty(maps.Clone(s.Conversations))
	s.Channels = orEmpty(maps.Clone(s.Channels))
	s.V2Conversations = orEmpty(maps.Clone(s.V2Conversations))
	return s
}

func orEmpty[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return m
}

// AddAccount adds a, or replaces the account of that SID.
func (s *State) AddAccount(a Account) { s.Accounts[a.SID] = a }

// AddConversation adds c, or replaces the conversation of that SID.
func (s *State) AddConversation(c Conversation) { s.Conversations[c.SID] = c }

// JoinConversation adds p to a v1 conversation.
func (s *State) JoinConversation(conversation validation.SID, p ConversationParticipant) {
	c := s.Conversations[conversation]
	c.Participants = append(slices.Clone(c.Participants), p)
	s.Conversations[conversation] = c
}

// LeaveConversation removes a participant from a v1 conversation.
func (s *State) LeaveConversation(conversation, participant validation.SID) {
	c := s.Conversations[conversation]
	c.Participants = slices.DeleteFunc(slices.Clone(c.Participants), func(p ConversationParticipant) bool {
		return p.SID == participant
	})
	s.Conversations[conversation] = c
}

// RemoveConversation removes a v1 conversation: Twilio answers 404 for it from now on.
func (s *State) RemoveConversation(sid validation.SID) { delete(s.Conversations, sid) }

// AddChannel adds c, or replaces the Flex channel of that SID.
func (s *State) AddChannel(c Channel) { s.Channels[c.SID] = c }

// JoinChannel adds p to a Flex channel.
func (s *State) JoinChannel(channel validation.SID, p ChannelParticipant) {
	c := s.Channels[channel]
	c.Participants = append(slices.Clone(c.Participants), p)
	s.Channels[channel] = c
}

// LeaveChannel removes a participant from a Flex channel.
func (s *State) LeaveChannel(channel, participant validation.SID) {
	c := s.Channels[channel]
	c.Participants = slices.DeleteFunc(slices.Clone(c.Participants), func(p ChannelParticipant) bool {
		return p.SID == participant
	})
	s.Channels[channel] = c
}

// AddV2Conversation adds c, or replaces the v2 conversation of that id.
func (s *State) AddV2Conversation(c V2Conversation) { s.V2Conversations[c.ID] = c }

// JoinV2Conversation adds p to a v2 conversation.
func (s *State) JoinV2Conversation(conversation validation.V2ID, p V2Participant) {
	c := s.V2Conversations[conversation]
	c.Participants = append(slices.Clone(c.Participants), p)
	s.V2Conversations[conversation] = c
}

// LeaveV2Conversation removes a participant from a v2 conversation: Twilio answers
// 404 for it from now on.
func (s *State) LeaveV2Conversation(conversation, participant validation.V2ID) {
	c := s.V2Conversations[conversation]
	c.Participants = slices.DeleteFunc(slices.Clone(c.Participants), func(p V2Participant) bool {
		return p.ID == participant
	})
	s.V2Conversations[conversation] = c
}
