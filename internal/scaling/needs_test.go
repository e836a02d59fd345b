package scaling

import (
	"encoding/json"
	"math"
	"net/url"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// By hand, for figures that are easy to count with.
func TestNeeds(t *testing.T) {
	easy := figure{value: 1000}
	for name, c := range map[string]struct{ got, want int }{
		"never fewer than three":            {needed(1, 1000), 3},
		"half of what each does":            {needed(2000, 1000), 4},
		"one more for the rest":             {needed(2001, 1000), 5},
		"one set":                           {setsFor(500, easy), 1},
		"a stream has one leader":           {setsFor(501, easy), 2},
		"three streams, each stored thrice": {serversFor(1000, easy), 18},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %d, want %d", name, c.got, c.want)
		}
	}
	near(t, "ids", idMemory(1, time.Second), 2*anID.value, 1e-9)
	near(t, "subjects", subjectMemory(20.0/3, time.Hour), 2*3600*aSubject.value, 1e-9)
	near(t, "disk", disk(1, time.Hour), 3600*(rawSize.value+enrichedSize.value)*3, 1e-9)
}

func TestMoreWebhooksNeverNeedLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate, more := rapid.Float64Range(0.1, 1e6).Draw(t, "rate"), rapid.Float64Range(0, 1e6).Draw(t, "more")
		for _, f := range []figure{stream, always} {
			if setsFor(rate, f) > setsFor(rate+more, f) || serversFor(rate, f) > serversFor(rate+more, f) {
				t.Errorf("got fewer for %v than for %v", rate+more, rate)
			}
			if load := rate * writes * copies / (f.value * float64(serversFor(rate, f))); load > 0.5000001 {
				t.Errorf("got servers that are %v busy, want half at most", load)
			}
		}
	})
}

// The sizes that the page counts with are those of a message of Twilio's with three participants.
func TestSizes(t *testing.T) {
	form := url.Values{
		"MessagingServiceSid": {"MG0123456789abcdef0123456789abcdef"}, "EventType": {"onMessageAdded"}, "Attributes": {"{}"},
		"DateCreated": {"2025-09-17T22:23:11.350Z"}, "Index": {"8"}, "ChatServiceSid": {"IS0123456789abcdef0123456789abcdef"},
		"MessageSid": {"IM0123456789abcdef0123456789abcdef"}, "AccountSid": {"AC0123456789abcdef0123456789abcdef"}, "Source": {"SMS"}, "RetryCount": {"0"},
		"Author": {"+18005550100"}, "ParticipantSid": {"MB0123456789abcdef0123456789abcdef"}, "ConversationSid": {"CH0123456789abcdef0123456789abcdef"},
		"Body": {"Thank you, that works. Could you send me the invoice for last month as well, please?"},
	}
	accepted, rejected := events.Parse(events.Delivery{Feed: events.FeedConversations, Body: []byte(form.Encode()), Signer: []validation.SID{""}, ReceivedAt: time.Now()})
	if len(accepted) != 1 {
		t.Fatalf("got %d events and %v, want one", len(accepted), rejected)
	}
	now := time.Now()
	enriched := events.Enriched{Event: accepted[0], Roster: events.Roster{Status: events.RosterResolved, Lookup: events.LookupConversation, FetchedAt: now}}
	for range 3 {
		enriched.Roster.Participants = append(enriched.Roster.Participants, participants.Participant{
			API: participants.Conversations, ID: "MB0123456789abcdef0123456789abcdef", AccountID: "AC0123456789abcdef0123456789abcdef",
			ConversationID: "CH0123456789abcdef0123456789abcdef", RoleSID: "RL0123456789abcdef0123456789abcdef", Attributes: json.RawMessage(`{}`),
			Addresses: []participants.Address{{Channel: "sms", Address: "+15550100142", ProxyAddress: "+15550100100"}}, CreatedAt: &now, UpdatedAt: &now,
			URL: "https://conversations.twilio.com/v1/Conversations/CH0123456789abcdef0123456789abcdef/Participants/MB0123456789abcdef0123456789abcdef",
		})
	}
	const headers = 250 // the id, the content type, the origin, what JetStream adds
	raw, err := events.EncodeRaw(accepted[0])
	if err != nil {
		t.Fatal(err)
	}
	whole, err := events.EncodeEnriched(enriched)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("RAW %d bytes, ENRICHED %d bytes", len(raw)+headers, len(whole)+headers)
	near(t, "RAW", rawSize.value, float64(len(raw)+headers), 0.05)
	near(t, "ENRICHED", enrichedSize.value, float64(len(whole)+headers), 0.05)
}

func TestSize(t *testing.T) {
	for x, want := range map[float64]string{459: "460 B", 999: "1 KB", 4.59e8: "460 MB", 8.16e11: "820 GB", 8.2e15: "8.2 PB", 8.2e16: "82 PB", 1e19: "1e+04 PB"} {
		if got := size(x); got != want {
			t.Errorf("%v: got %q, want %q", x, got, want)
		}
	}
	if got := grouped(math.Round(1234567)); got != "1,234,567" {
		t.Errorf("got %q, want 1,234,567", got)
	}
}
