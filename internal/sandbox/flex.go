package sandbox

import (
	"fmt"
	"net/http"

	"github.com/rollcall-events/rollcall/validation"
)

// Channel is a Flex interaction channel.
type Channel struct {
	SID          validation.SID       `json:"sid"`
	Account      validation.SID       `json:"account_sid"`
	Interaction  validation.SID       `json:"interaction_sid"`
	Participants []ChannelParticipant `json:"participants"`
}

// ChannelParticipant is a participant as the Flex list shows it. The list fills in what follows
// from the channel: interaction, channel and URL.
type ChannelParticipant struct {
	SID               validation.SID     `json:"sid"`
	URL               Nullable           `json:"url"`
	Type              string             `json:"type"`
	ChannelSID        validation.SID     `json:"channel_sid"`
	InteractionSID    validation.SID     `json:"interaction_sid"`
	RoutingProperties *RoutingProperties `json:"routing_properties"`
}

// RoutingProperties say how an agent was routed to a Flex channel.
type RoutingProperties struct {
	TaskSID        validation.SID `json:"task_sid"`
	WorkerSID      validation.SID `json:"worker_sid"`
	ReservationSID validation.SID `json:"reservation_sid"`
}

const maxChannelPage = 1000

// listChannel answers GET /v1/Interactions/{interaction}/Channels/{channel}/Participants.
func (t *Twilio) listChannel(w http.ResponseWriter, r *http.Request, caller Account) {
	sid, interaction := validation.SID(r.PathValue("channel")), validation.SID(r.PathValue("interaction"))
	c, ok := t.world.State().Channels[sid]
	if !ok || c.Account != caller.SID || c.Interaction != interaction {
		notFound(w, r)
		return
	}
	writePage(w, r, c.Participants, maxChannelPage, func(p ChannelParticipant) any {
		p.InteractionSID, p.ChannelSID = c.Interaction, c.SID
		p.URL = Nullable(fmt.Sprintf("%s/%s", selfURL(r), p.SID))
		return p
	})
}
