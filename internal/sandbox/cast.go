package sandbox

import (
	"time"

	"github.com/rollcall-events/rollcall/validation"
)

// Cast is who and what the sandbox's story is about. It is the same in every run.
type Cast struct {
	Account          validation.SID
	Service          validation.SID // the Conversations service of VIP
	MessagingService validation.SID

	Support Conversation            // v1: Dana texts, Omar answers
	Dana    ConversationParticipant // a customer on SMS
	Omar    ConversationParticipant // an agent in a chat client
	Rosa    ConversationParticipant // a supervisor, not in Support to begin with

	VIP  Conversation            // v1: found only below its service
	Maya ConversationParticipant // a customer on WhatsApp

	Desk     Channel            // Flex
	Caller   ChannelParticipant // its customer
	FlexOmar ChannelParticipant // its agent, not there to begin with

	Order V2Conversation // v2: Dana and an AI agent
	Iris  V2Participant  // the AI agent
	Lee   V2Participant  // a human agent, not in Order to begin with
}

// NewCast returns the cast of account.
func NewCast(account validation.SID) Cast {
	c := Cast{Account: account, Service: SID("IS", "vip"), MessagingService: SID("MG", "shop")}
	c.peopleOfConversations()
	c.peopleOfFlex()
	c.peopleOfOrchestrator()
	return c
}

// State returns the world before the story: the account, whose auth token is token, and the
// conversations.
func (c Cast) State(token validation.Secret) State {
	s := State{}.clone()
	s.AddAccount(Account{SID: c.Account, AuthToken: token.Reveal()})
	s.AddConversation(c.Support)
	s.AddConversation(c.VIP)
	s.AddChannel(c.Desk)
	s.AddV2Conversation(c.Order)
	return s
}

// begun is when everybody in the cast was created: long before the story.
func begun() time.Time { return time.Date(2026, 6, 10, 6, 2, 54, 0, time.UTC) }

const (
	shopNumber = "+15550100100"
	danaNumber = "+15550100142"
)

func (c *Cast) peopleOfConversations() {
	c.Support = Conversation{SID: SID("CH", "support"), Account: c.Account, Service: SID("IS", "default")}
	c.VIP = Conversation{SID: SID("CH", "vip"), Account: c.Account, Service: c.Service, ServiceOnly: true}
	c.Dana = c.texter(c.Support, "dana", `{"name":"Dana Reyes","role":"customer"}`, "sms", danaNumber, shopNumber)
	c.Maya = c.texter(c.VIP, "maya", `{"name":"Maya Okafor","role":"customer"}`, "whatsapp", "whatsapp:+15550100177", "whatsapp:"+shopNumber)
	c.Omar = c.chatter(c.Support, "omar", `{"name":"Omar Haddad","role":"agent"}`)
	c.Rosa = c.chatter(c.Support, "rosa", `{"name":"Rosa Lindt","role":"supervisor"}`)
	c.Support.Participants = []ConversationParticipant{c.Dana}
	c.VIP.Participants = []ConversationParticipant{c.Maya}
}

// texter returns a participant with an address.
func (c *Cast) texter(in Conversation, name, attributes, channel, address, proxy string) ConversationParticipant {
	p := c.participant(in, name, attributes)
	p.MessagingBinding = &MessagingBinding{Type: channel, Address: address, ProxyAddress: proxy}
	return p
}

// chatter returns a participant with a chat identity.
func (c *Cast) chatter(in Conversation, name, attributes string) ConversationParticipant {
	p := c.participant(in, name, attributes)
	p.Identity = Nullable(name)
	return p
}

func (c *Cast) participant(in Conversation, name, attributes string) ConversationParticipant {
	return ConversationParticipant{
		SID: SID("MB", name), AccountSID: c.Account, ConversationSID: in.SID, RoleSID: Nullable(SID("RL", "participant")),
		Attributes: attributes, DateCreated: begun(), DateUpdated: begun(),
	}
}

func (c *Cast) peopleOfFlex() {
	c.Desk = Channel{SID: SID("UO", "desk"), Account: c.Account, Interaction: SID("KD", "desk")}
	c.Caller = ChannelParticipant{
		SID: SID("UT", "dana"), Type: "customer", InteractionSID: c.Desk.Interaction, ChannelSID: c.Desk.SID,
	}
	c.FlexOmar = ChannelParticipant{
		SID: SID("UT", "omar"), Type: "agent", InteractionSID: c.Desk.Interaction, ChannelSID: c.Desk.SID,
		RoutingProperties: &RoutingProperties{
			TaskSID: SID("WT", "desk"), WorkerSID: SID("WK", "omar"), ReservationSID: SID("WR", "desk"),
		},
	}
	c.Desk.Participants = []ChannelParticipant{c.Caller}
}

func (c *Cast) peopleOfOrchestrator() {
	c.Order = V2Conversation{ID: V2ID("conv_conversation", "order"), Account: c.Account}
	dana := c.v2Participant("dana", "Dana Reyes", "CUSTOMER", V2Address{Channel: "SMS", Address: danaNumber})
	dana.ProfileID = V2ID("mem_profile", "dana")
	c.Iris = c.v2Participant("iris", "Iris", "AI_AGENT", V2Address{Channel: "SMS", Address: shopNumber})
	c.Lee = c.v2Participant("lee", "Lee Tran", "HUMAN_AGENT", V2Address{Channel: "VOICE", Address: "+15550100188", ChannelID: Nullable(SID("CA", "lee"))})
	c.Order.Participants = []V2Participant{dana, c.Iris}
}

func (c *Cast) v2Participant(id, name, kind string, address V2Address) V2Participant {
	return V2Participant{
		ID: V2ID("conv_participant", id), ConversationID: c.Order.ID, AccountID: c.Account,
		Name: Nullable(name), Type: kind, Addresses: []V2Address{address}, CreatedAt: begun(), UpdatedAt: begun(),
	}
}
