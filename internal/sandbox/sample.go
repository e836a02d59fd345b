package sandbox

import (
	"fmt"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
)

// Feeds returns the feeds that carry events of kind k.
func Feeds(k events.Kind) []events.Feed {
	var feeds []events.Feed
	if k.Name != "" {
		feeds = append(feeds, ownFeed(k.API))
	}
	if k.Stream != "" {
		feeds = append(feeds, events.FeedEventStreams)
	}
	return feeds
}

func ownFeed(api events.API) events.Feed {
	switch api {
	case participants.Flex:
		return events.FeedFlex
	case participants.Orchestrator:
		return events.FeedOrchestrator
	}
	return events.FeedConversations
}

// Sample returns a webhook of kind k as feed carries it, about people in c.
func Sample(c Cast, k events.Kind, feed events.Feed, at time.Time) (Webhook, error) {
	switch feed {
	case events.FeedEventStreams:
		return StreamWebhook(StreamEvent(k, at, c.Values(at)))
	case events.FeedFlex:
		return FlexWebhook(k.Name, c.FlexValues()), nil
	case events.FeedOrchestrator:
		data, err := c.v2Data(k.Resource)
		if err != nil {
			return Webhook{}, err
		}
		return OrchestratorWebhook(k.Name, at, data)
	}
	return ConversationsWebhook(k.Name, c.Values(at)), nil
}

func (c Cast) v2Data(resource string) (any, error) {
	switch resource {
	case "participant":
		return shownV2(c.Order, c.Iris), nil
	case "communication":
		return c.Communication("Is my order on its way?", c.Order.Participants[0], c.Iris), nil
	case "conversation":
		return c.V2Data(), nil
	}
	return nil, fmt.Errorf("no sample of a v2 %s", resource)
}
