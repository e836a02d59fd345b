package events_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/validation"
)

var digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func messageAdded() url.Values {
	k, _ := events.KindOf("conversations", "message", "added")
	return form(k)
}

func idOf(t *testing.T, feed events.Feed, v url.Values) string {
	t.Helper()
	return parseOne(t, formDelivery(feed, v.Encode())).ID
}

func TestIDIsTheTokenWhenItFits(t *testing.T) {
	tests := []struct {
		token string
		fits  bool
	}{
		{"7e0c2f5a-2c6e-4f4b-9d0a-0123456789ab", true},
		{"A.b_c:d~e-9", true},
		{strings.Repeat("x", 128), true},
		{strings.Repeat("x", 129), false},
		{"", false},
		{"with space", false},
		{"new\nline", false},
		{"é", false},
		{"a*b", false},
	}
	for _, tt := range tests {
		d := formDelivery(events.FeedConversations, messageAdded().Encode())
		d.IdempotencyToken = tt.token
		got := parseOne(t, d).ID
		if tt.fits && got != tt.token {
			t.Errorf("%q: got %s, want the token", tt.token, got)
		}
		if !tt.fits && !digest.MatchString(got) {
			t.Errorf("%q: got %s, want a digest", tt.token, got)
		}
	}
}

func TestIDOfACloudEventThatDoesNotFitIsADigest(t *testing.T) {
	k, _ := events.KindOf("conversations", "message", "added")
	for _, id := range []any{"not an id", "", 7, nil} {
		item := cloudEvent(k, "")
		item["id"] = id
		d := jsonDelivery(events.FeedEventStreams, toJSON([]any{item}))
		d.IdempotencyToken = "token"
		if got := parseOne(t, d).ID; !digest.MatchString(got) {
			t.Errorf("%v: got %s, want a digest", id, got)
		}
	}
	k, _ = events.KindOf("conversations", "message", "updated")
	a, b := cloudEvent(k, ""), cloudEvent(k, "")
	b["time"] = "2026-06-10T06:02:55Z"
	if ids := idsOf(events.Parse(jsonDelivery(events.FeedEventStreams, toJSON([]any{a, b})))); ids[0] == ids[1] {
		t.Errorf("got %s for two times, want two ids", ids[0])
	}
}

func idsOf(accepted []events.Event, _ []events.DeadLetter) []string {
	var ids []string
	for _, e := range accepted {
		ids = append(ids, e.ID)
	}
	return ids
}

func TestIDWithoutTokenAndDateIsOfItsMinute(t *testing.T) {
	start := received.Truncate(time.Minute)
	ids := func(form url.Values) (first, soon, later string) {
		at := func(when time.Time) string {
			d := formDelivery(events.FeedConversations, form.Encode())
			d.ReceivedAt = when
			return parseOne(t, d).ID
		}
		return at(start), at(start.Add(59 * time.Second)), at(start.Add(time.Minute))
	}
	dated := messageAdded()
	if first, _, later := ids(dated); first != later {
		t.Errorf("a dated event, a minute later: got %s and %s, want one id", first, later)
	}
	asked := messageAdded()
	asked.Set("EventType", "onMessageAdd")
	asked.Del("DateCreated")
	first, soon, later := ids(asked)
	if first != soon {
		t.Errorf("within the minute: got %s and %s, want one id", first, soon)
	}
	if first == later {
		t.Errorf("a minute later: got %s twice, want two ids: somebody says the same again", first)
	}
}

func TestIDDoesNotDependOnTransport(t *testing.T) {
	want := idOf(t, events.FeedConversations, messageAdded())

	retried := messageAdded()
	retried.Set("RetryCount", "3")
	retried.Set("WebhookSid", "WH0123456789abcdef0123456789abcdef")
	if got := idOf(t, events.FeedConversations, retried); got != want {
		t.Errorf("a retry: got %s, want %s", got, want)
	}
	if got := idOf(t, events.FeedFlex, messageAdded()); got != want {
		t.Errorf("another route: got %s, want %s", got, want)
	}
	query := events.Delivery{
		Feed: events.FeedConversations, Method: "GET", Query: messageAdded().Encode() + "&bodySHA256=" + strings.Repeat("0", 64),
		Signer: []validation.SID{account}, ReceivedAt: received,
	}
	if got := parseOne(t, query).ID; got != want {
		t.Errorf("a GET: got %s, want %s", got, want)
	}
	pairs := strings.Split(messageAdded().Encode(), "&")
	slices.Reverse(pairs)
	if got := parseOne(t, formDelivery(events.FeedConversations, strings.Join(pairs, "&"))).ID; got != want {
		t.Errorf("another order: got %s, want %s", got, want)
	}
	v2 := []string{
		`{"eventType":"NEW","timestamp":"2025-11-18T00:00:01Z","data":{"accountId":"` + account + `","n":1.0}}`,
		` { "data":{"n":1.0, "accountId":"` + account + `"},"timestamp":"2025-11-18T00:00:01Z","eventType":"NEW"}`,
	}
	one, two := parseOne(t, jsonDelivery(events.FeedOrchestrator, []byte(v2[0]))), parseOne(t, jsonDelivery(events.FeedOrchestrator, []byte(v2[1])))
	if one.ID != two.ID || string(one.Payload) != string(two.Payload) {
		t.Errorf("another order of JSON: got %s %s, want %s %s", two.ID, two.Payload, one.ID, one.Payload)
	}
}

// Every field that is not transport tells two events apart, a new one included.
func TestIDDependsOnEveryField(t *testing.T) {
	want := idOf(t, events.FeedConversations, messageAdded())
	for name := range messageAdded() {
		if name == "RetryCount" {
			continue
		}
		changed := messageAdded()
		value := changed.Get(name)
		changed.Set(name, value[:len(value)-1]+"2")
		accepted, rejected := events.Parse(formDelivery(events.FeedConversations, changed.Encode()))
		id := ""
		for _, e := range accepted {
			id = e.ID
		}
		for _, l := range rejected {
			id = l.ID
		}
		if id == want {
			t.Errorf("%s changed: got the same id", name)
		}
	}
	more := messageAdded()
	more.Set("NewField", "1")
	if idOf(t, events.FeedConversations, more) == want {
		t.Error("a new field: got the same id")
	}
}

// An ID is remembered for hours, and a webhook that is sent again may meet a newer version: it must still be the same.
func TestIDsOfEarlierVersionsStay(t *testing.T) {
	text := "a <b> & \"c\"\n\u2028\u2029\u0001\u007f’é"
	form := messageAdded()
	form.Set("Body", text)
	form["Twice"] = []string{"1", "2"}
	form.Set("WebhookSid", "WH0123456789abcdef0123456789abcdef")
	item := map[string]any{
		"specversion": "1.0", "type": "com.example.new", "time": "2025-09-17T22:23:11.350Z",
		"data": map[string]any{"AccountSid": account, "n": json.RawMessage("1.50"), "deep": []any{nil, true, text}},
	}
	for _, tt := range []struct {
		name, want string
		delivery   events.Delivery
	}{
		{"form", "2689b0181ad6e30bcb9204ffce20b2001dc95a3a020a898678bff8822bdc0518", formDelivery(events.FeedConversations, form.Encode())},
		{"undated form", "8afd69e7a04266458b3f8fe62d5f2e3adf36a8aeac9c94fca4f52a139dd735f9", formDelivery(events.FeedFlex, "EventType=onNew&AccountSid="+account)},
		{"JSON", "2948c7d0c9284c2c4514998d9326e0ea36dccc7eabb5fc119c0a3cd80c2cfaa9", jsonDelivery(events.FeedOrchestrator, toJSON(map[string]any{"eventType": "NEW", "data": map[string]any{"accountId": account, "x": text}}))},
		{"Event Streams", "76d23b6bf7c5a60e0910b20e3a2e6f0e2998cfe1f23d26b644fb9cab7ca5e1ce", jsonDelivery(events.FeedEventStreams, toJSON([]any{item}))},
	} {
		if got := parseOne(t, tt.delivery).ID; got != "sha256:"+tt.want {
			t.Errorf("%s: got %s, want sha256:%s", tt.name, got, tt.want)
		}
	}
}

func TestIDDependsOnTheAccount(t *testing.T) {
	d := formDelivery(events.FeedConversations, "EventType=onUserAdded&UserSid="+user)
	one := parseOne(t, d).ID
	d.Signer = []validation.SID{other}
	if two := parseOne(t, d).ID; one == two {
		t.Errorf("got %s for two accounts, want two ids", one)
	}
}

func TestIDIsStableUnderOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pairs := []string{"EventType=onNew", "AccountSid=" + account}
		for name, value := range rapid.MapOf(rapid.StringMatching(`[A-D.]{1,3}`), rapid.String()).Draw(rt, "fields") {
			pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(value))
		}
		shuffled := rapid.Permutation(pairs).Draw(rt, "shuffled")
		one := idsOf(events.Parse(formDelivery(events.FeedConversations, strings.Join(pairs, "&"))))
		two := idsOf(events.Parse(formDelivery(events.FeedConversations, strings.Join(shuffled, "&"))))
		if !slices.Equal(one, two) || len(one) != 1 {
			rt.Errorf("got %v and %v, want one id", one, two)
		}
	})
}
