package events_test

import (
	"maps"
	"net/url"
	"testing"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/validation"
)

func TestParseAccount(t *testing.T) {
	lookup := map[string]string{"EventType": "onMessageAdded", "ConversationSid": chat, "MessageSid": "IM0123456789abcdef0123456789abcdef"}
	none := map[string]string{"EventType": "onUserAdded", "UserSid": user}
	tests := []struct {
		name   string
		fields map[string]string
		named  string
		signer []validation.SID
		want   validation.SID
		reason events.Reason
	}{
		{"its own", lookup, account, []validation.SID{account}, account, ""},
		{"one of several", lookup, account, []validation.SID{other, account}, account, ""},
		{"any", lookup, account, []validation.SID{""}, account, ""},
		{"any beside another", lookup, account, []validation.SID{other, ""}, account, ""},
		{"another's", lookup, account, []validation.SID{other}, account, events.ReasonForeignAccount},
		{"nobody's", lookup, account, nil, account, events.ReasonForeignAccount},
		{"another's without a lookup", none, account, []validation.SID{other}, account, events.ReasonForeignAccount},
		{"the key's", lookup, "", []validation.SID{"", other, account}, other, ""},
		{"none to look up with", lookup, "", []validation.SID{""}, "", events.ReasonInvalid},
		{"none and nothing to look up", none, "", []validation.SID{""}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fields := maps.Clone(tt.fields)
			fields["AccountSid"] = tt.named
			v := url.Values{}
			for name, value := range fields {
				v.Set(name, value)
			}
			d := formDelivery(events.FeedConversations, v.Encode())
			d.Signer = tt.signer
			if tt.reason == "" {
				if e := parseOne(t, d); e.Account != tt.want {
					t.Errorf("got %s, want %s", e.Account, tt.want)
				} else if _, err := events.EncodeRaw(e); err != nil {
					t.Error(err)
				}
				return
			}
			l := rejectOne(t, d)
			if l.Reason != tt.reason || l.Account != tt.want || l.Event == nil || l.Event.Account != tt.want {
				t.Errorf("got %s of %s, want %s of %s with its event", l.Reason, l.Account, tt.reason, tt.want)
			}
		})
	}
}
