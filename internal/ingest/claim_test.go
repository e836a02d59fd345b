package ingest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/validation"
)

// What is long may take the hash of the whole for a few keys, not for all that there are.
func TestFewKeysAreTriedOnWhatIsLong(t *testing.T) {
	var pairs []string
	for range 500 {
		pairs = append(pairs, "k", other, "l", other)
	}
	keys, accounts := keys(append(pairs, "own", account, "any", "")...)()
	long := strings.Repeat("x", longRequest)
	for name, tt := range map[string]struct {
		req  validation.Request
		want int
	}{
		"short":               {validation.Request{Method: http.MethodPost, ContentType: mediaForm, Body: []byte("a=b")}, len(keys)},
		"form":                {validation.Request{Method: http.MethodPost, ContentType: mediaForm, Body: []byte("Body=" + long + "&AccountSid=" + account)}, 2},
		"form with a charset": {validation.Request{Method: http.MethodPost, ContentType: mediaForm + "; charset=UTF-8", Body: []byte("Body=" + long)}, 1},
		"form of nobody":      {validation.Request{Method: http.MethodPost, ContentType: mediaForm, Body: []byte("AccountSid=&Body=" + long)}, 1},
		"form of two":         {validation.Request{Method: http.MethodPost, ContentType: mediaForm, Body: []byte("AccountSid=" + account + "&AccountSid=" + other + "&Body=" + long)}, 2},
		"form with a query":   {validation.Request{Method: http.MethodPost, ContentType: mediaForm, Target: "/?" + long, Body: []byte("AccountSid=" + account)}, 2},
		"get":                 {validation.Request{Method: http.MethodGet, ContentType: mediaForm, Target: "/?AccountSid=" + account + "&Body=" + long}, 2},
		"JSON":                {validation.Request{Method: http.MethodPost, ContentType: mediaJSON, Target: "/?a=b", Body: []byte(long + long)}, len(keys)},
		"JSON, long query":    {validation.Request{Method: http.MethodPost, ContentType: mediaJSON, Target: "/?a=" + long, Body: []byte("{}")}, 1},
	} {
		if got := len(candidates(tt.req, keys, accounts)); got != tt.want {
			t.Errorf("%s: got %d keys, want %d", name, got, tt.want)
		}
	}
}

func TestLongFormsAreOfTheirAccount(t *testing.T) {
	for name, tt := range map[string]struct {
		key, account string
		status       int
	}{
		"its own key":              {"own", account, http.StatusOK},
		"a key of no account":      {"any", other, http.StatusOK},
		"a key of another account": {"own", other, http.StatusForbidden},
		"a key of both":            {"both", other, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, Config{}, keys("own", account, "both", account, "any", "", "both", other), nil)
			w := form(conversations, "EventType", "onMessageAdded", "AccountSid", tt.account, "ConversationSid", chat,
				"MessageSid", "IM0123456789abcdef0123456789abcdef", "Body", strings.Repeat("x", longRequest))
			r.wantStatus(t, w.sign(tt.key), tt.status)
			stored, letters := r.shelf.held()
			if len(letters) != 0 || (tt.status == http.StatusOK) != (len(stored) == 1 && stored[0].Account == validation.SID(tt.account)) {
				t.Errorf("got %v and %v with status %d", stored, letters, tt.status)
			}
		})
	}
	r := start(t, Config{}, keys("own", account, "k", other), nil)
	r.wantStatus(t, form(conversations, "EventType", "onMessageAdded", "AccountSid", other).sign("own"), http.StatusOK)
	if _, letters := r.shelf.held(); len(letters) != 1 || letters[0].Reason != events.ReasonForeignAccount {
		t.Errorf("got %v, want the short one as a dead letter", letters)
	}
}
