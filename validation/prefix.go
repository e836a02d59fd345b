package validation

// Prefix is the two letters that say what a SID identifies.
type Prefix string

// The prefixes in Twilio's specifications and documentation that this module meets. There
// are others: ParseSID without prefixes accepts any two capital letters.
const (
	// Accounts and the API.
	PrefixAccount Prefix = "AC" // an account or subaccount
	PrefixAPIKey  Prefix = "SK" // an API key
	PrefixRequest Prefix = "RQ" // a request to Twilio's API
	PrefixCall    Prefix = "CA" // a voice call, and a Flex channel's media on voice

	// Conversations.
	PrefixConversation         Prefix = "CH" // a conversation
	PrefixParticipant          Prefix = "MB" // a participant of a conversation
	PrefixMessage              Prefix = "IM" // a message in a conversation
	PrefixDeliveryReceipt      Prefix = "DY" // the receipt of one message for one participant
	PrefixMedia                Prefix = "ME" // a media file of a message
	PrefixUser                 Prefix = "US" // a Conversations user
	PrefixRole                 Prefix = "RL" // a role of users or participants
	PrefixChatService          Prefix = "IS" // a Conversations service
	PrefixWebhook              Prefix = "WH" // a webhook scoped to one conversation
	PrefixBinding              Prefix = "BS" // a push binding
	PrefixCredential           Prefix = "CR" // a push credential
	PrefixAddressConfiguration Prefix = "IG" // an address that opens conversations by itself

	// Messaging, content and Studio.
	PrefixMessagingService Prefix = "MG" // a messaging service
	PrefixSMS              Prefix = "SM" // an SMS
	PrefixMMS              Prefix = "MM" // an MMS
	PrefixContent          Prefix = "HX" // a content template
	PrefixStudioFlow       Prefix = "FW" // a Studio flow

	// Flex.
	PrefixInstance           Prefix = "GO" // a Flex instance
	PrefixInteraction        Prefix = "KD" // a Flex interaction
	PrefixInteractionContext Prefix = "HQ" // the context given to an interaction
	PrefixChannel            Prefix = "UO" // a channel of an interaction
	PrefixChannelParticipant Prefix = "UT" // a participant of a channel
	PrefixInvite             Prefix = "KG" // an invite to a channel
	PrefixTransfer           Prefix = "UX" // a transfer between agents
	PrefixTransferNote       Prefix = "KQ" // a note or summary of a transfer
	PrefixTransferExecution  Prefix = "QW" // one execution of a transfer

	// TaskRouter.
	PrefixWorkspace       Prefix = "WS" // a workspace
	PrefixTask            Prefix = "WT" // a task
	PrefixWorker          Prefix = "WK" // a worker
	PrefixReservation     Prefix = "WR" // a reservation of a task
	PrefixWorkflow        Prefix = "WW" // a workflow
	PrefixQueue           Prefix = "WQ" // a task queue
	PrefixActivity        Prefix = "WA" // an activity of workers; in onDeliveryUpdated, a WhatsApp message
	PrefixTaskRouterEvent Prefix = "EV" // an entry of TaskRouter's event log

	// Event Streams.
	PrefixSink         Prefix = "DG" // a sink
	PrefixSubscription Prefix = "DF" // a subscription
	PrefixStreamEvent  Prefix = "EZ" // an event: the CloudEvent's id
)

// Prefixes returns the prefixes that this package names.
func Prefixes() []Prefix {
	return []Prefix{
		PrefixAccount, PrefixAPIKey, PrefixRequest, PrefixCall,
		PrefixConversation, PrefixParticipant, PrefixMessage, PrefixDeliveryReceipt, PrefixMedia, PrefixUser,
		PrefixRole, PrefixChatService, PrefixWebhook, PrefixBinding, PrefixCredential, PrefixAddressConfiguration,
		PrefixMessagingService, PrefixSMS, PrefixMMS, PrefixContent, PrefixStudioFlow,
		PrefixInstance, PrefixInteraction, PrefixInteractionContext, PrefixChannel, PrefixChannelParticipant,
		PrefixInvite, PrefixTransfer, PrefixTransferNote, PrefixTransferExecution,
		PrefixWorkspace, PrefixTask, PrefixWorker, PrefixReservation, PrefixWorkflow, PrefixQueue, PrefixActivity, PrefixTaskRouterEvent,
		PrefixSink, PrefixSubscription, PrefixStreamEvent,
	}
}
