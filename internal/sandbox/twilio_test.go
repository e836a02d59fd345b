package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

const testToken = "0123456789abcdef0123456789abcdef"

// fake is a running Twilio with the cast in it, and a client of it.
type fake struct {
	*Twilio
	cast   Cast
	world  *World
	url    string
	http   *http.Client
	client *participants.Client
	cred   participants.Credentials
}

func newFake(t *testing.T) fake {
	t.Helper()
	cast := NewCast(SID("AC", "test"))
	world := NewWorld(cast.State(validation.NewSecret(testToken)))
	twilio := NewTwilio(world)
	server := httptest.NewServer(twilio)
	t.Cleanup(server.Close)
	client, err := participants.New(participants.Config{
		ConversationsURL: server.URL, FlexURL: server.URL, HTTPClient: server.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	cred := participants.Credentials{Username: string(cast.Account), Password: validation.NewSecret(testToken)}
	return fake{Twilio: twilio, cast: cast, world: world, url: server.URL, http: server.Client(), client: client, cred: cred}
}

// answer is what the fake said.
type answer struct {
	status int
	header http.Header
	body   map[string]any
}

// get asks the fake as its account.
func (f fake) get(t *testing.T, path string, header http.Header) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.SetBasicAuth(f.cred.Username, f.cred.Password.Reveal())
	resp, err := f.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal(b, &body); err != nil {
		t.Fatalf("got body %q, want JSON: %v", b, err)
	}
	return answer{resp.StatusCode, resp.Header, body}
}

func (f fake) supportPath() string {
	return "/v1/Conversations/" + string(f.cast.Support.SID) + "/Participants"
}

func wantPeople(t *testing.T, got []participants.Participant, err error, want ...participants.Participant) {
	t.Helper()
	if err != nil {
		t.Fatalf("got error %v, want %d participants", err, len(want))
	}
	for _, wrong := range comparePeople(got, want) {
		t.Error(wrong)
	}
}

func TestClientReadsEveryEndpoint(t *testing.T) {
	f := newFake(t)
	c := f.cast
	got, err := f.client.ListConversation(t.Context(), f.cred, c.Support.SID, "")
	wantPeople(t, got, err, c.Dana.Expected())
	got, err = f.client.ListConversation(t.Context(), f.cred, c.VIP.SID, c.VIP.Service)
	wantPeople(t, got, err, c.Maya.Expected())
	got, err = f.client.ListChannel(t.Context(), f.cred, c.Desk.Interaction, c.Desk.SID)
	wantPeople(t, got, err, c.Caller.Expected())
	got, err = f.client.ListV2(t.Context(), f.cred, c.Order.ID)
	wantPeople(t, got, err, c.Order.Participants[0].Expected(), c.Iris.Expected())
	one, err := f.client.FetchV2(t.Context(), f.cred, c.Order.ID, c.Iris.ID)
	wantPeople(t, []participants.Participant{one}, err, c.Iris.Expected())

	want := map[Endpoint]int{
		EndpointConversation: 2, EndpointServiceConversation: 1, EndpointChannel: 1, EndpointV2List: 1, EndpointV2Fetch: 1,
	}
	if got := f.Calls(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got calls %v, want %v", got, want)
	}
}

func TestClientReadsEveryPage(t *testing.T) {
	const many = 250
	f := newFake(t)
	var v1, flex, v2 []participants.Participant
	f.world.Change(func(s *State) {
		for i := range many {
			name := fmt.Sprint("extra ", i)
			chatter := f.cast.chatter(f.cast.Support, name, `{}`)
			member := ChannelParticipant{
				SID: SID("UT", name), Type: "external", InteractionSID: f.cast.Desk.Interaction, ChannelSID: f.cast.Desk.SID,
			}
			human := f.cast.v2Participant(name, name, "HUMAN_AGENT", V2Address{Channel: "CHAT", Address: name})
			s.JoinConversation(f.cast.Support.SID, chatter)
			s.JoinChannel(f.cast.Desk.SID, member)
			s.JoinV2Conversation(f.cast.Order.ID, human)
			v1, flex, v2 = append(v1, chatter.Expected()), append(flex, member.Expected()), append(v2, human.Expected())
		}
	})
	got, err := f.client.ListConversation(t.Context(), f.cred, f.cast.Support.SID, "")
	wantPeople(t, got, err, append(v1, f.cast.Dana.Expected())...)
	if calls := f.Calls()[EndpointConversation]; calls != 3 {
		t.Errorf("got %d v1 calls for %d participants, want 3", calls, many+1)
	}
	got, err = f.client.ListChannel(t.Context(), f.cred, f.cast.Desk.Interaction, f.cast.Desk.SID)
	wantPeople(t, got, err, append(flex, f.cast.Caller.Expected())...)
	got, err = f.client.ListV2(t.Context(), f.cred, f.cast.Order.ID)
	wantPeople(t, got, err, append(v2, f.cast.Order.Participants[0].Expected(), f.cast.Iris.Expected())...)
}

func TestPagesFollowTheDocumentedRules(t *testing.T) {
	f := newFake(t)
	f.world.Change(func(s *State) {
		for i := range 4 {
			s.JoinConversation(f.cast.Support.SID, f.cast.chatter(f.cast.Support, fmt.Sprint(i), `{}`))
		}
	})
	first := f.get(t, f.supportPath()+"?PageSize=2", nil).body
	meta := first["meta"].(map[string]any)
	next, _ := meta["next_page_url"].(string)
	if !strings.HasPrefix(next, f.url+f.supportPath()+"?PageSize=2&Page=1&PageToken=") {
		t.Errorf("got next_page_url %q, want one on this host with a PageToken", next)
	}
	if meta["previous_page_url"] != nil || meta["page_size"] != 2.0 {
		t.Errorf("got meta %v, want page_size 2 and a null previous_page_url", meta)
	}
	if dana := first["participants"].([]any)[0].(map[string]any); dana["identity"] != nil || dana["last_read_timestamp"] != nil {
		t.Errorf("got %v, want null for what Dana does not have", dana)
	}
	second := f.get(t, strings.TrimPrefix(next, f.url), nil).body
	third := f.get(t, strings.TrimPrefix(second["meta"].(map[string]any)["next_page_url"].(string), f.url), nil).body
	if n := len(third["participants"].([]any)); n != 1 {
		t.Errorf("got %d participants on the third page, want 1", n)
	}
	if end := third["meta"].(map[string]any)["next_page_url"]; end != nil {
		t.Errorf("got next_page_url %v on the last page, want null", end)
	}
}

func TestErrorsAreTwiliosOwn(t *testing.T) {
	f := newFake(t)
	missing := "/v1/Conversations/" + string(SID("CH", "missing")) + "/Participants"
	v2 := "/v2/Conversations/" + string(f.cast.Order.ID) + "/Participants"
	for _, tt := range []struct {
		name, path   string
		status, code int
	}{
		{"unknown conversation", missing, 404, 20404},
		{"only below its service", "/v1/Conversations/" + string(f.cast.VIP.SID) + "/Participants", 404, 20404},
		{"page without token", f.supportPath() + "?Page=1", 400, 70002},
		{"v1 page too large", f.supportPath() + "?PageSize=101", 400, 20001},
		{"page of none", f.supportPath() + "?PageSize=0", 400, 20001},
		{"made-up token", f.supportPath() + "?Page=1&PageToken=x", 400, 20001},
		{"v2 page too large", v2 + "?pageSize=1001", 400, 20001},
		{"v2 participant", v2 + "/conv_participant_x", 404, 20404},
		{"no endpoint", "/v1/Conversations", 404, 20404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := f.get(t, tt.path, nil)
			if got.status != tt.status || got.body["code"] != float64(tt.code) || got.body["status"] != float64(tt.status) {
				t.Errorf("got %d %v, want %d with code %d", got.status, got.body, tt.status, tt.code)
			}
			if id := got.header.Get("Twilio-Request-Id"); !strings.HasPrefix(id, "RQ") {
				t.Errorf("got Twilio-Request-Id %q, want RQ…", id)
			}
		})
	}
	got := f.get(t, v2+"/conv_participant_x", http.Header{"X-Twilio-Apiversion": {"v1.0"}})
	userError, _ := got.body["userError"].(bool)
	if got.body["httpStatusCode"] != 404.0 || !userError || got.header.Get("X-Twilio-ApiVersion") != "v1.0" {
		t.Errorf("got %v, want the error of the API standards", got)
	}
}

func TestOnlyTheAccountIsServed(t *testing.T) {
	f := newFake(t)
	other := Account{SID: SID("AC", "other"), AuthToken: "other", APIKeys: map[string]string{string(SID("SK", "other")): "secret"}}
	f.world.Change(func(s *State) { s.AddAccount(other) })
	for _, tt := range []struct {
		name, user, password string
		status               int
	}{
		{"wrong token", f.cred.Username, "wrong", 401},
		{"no token", f.cred.Username, "", 401},
		{"unknown user", string(SID("AC", "nobody")), testToken, 401},
		{"another account", string(other.SID), "other", 404},
		{"another account's API key", string(SID("SK", "other")), "secret", 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cred := participants.Credentials{Username: tt.user, Password: validation.NewSecret(tt.password)}
			f := f
			f.cred = cred
			if got := f.get(t, f.supportPath(), nil).status; got != tt.status {
				t.Errorf("got %d, want %d", got, tt.status)
			}
		})
	}
}

func TestWorldChangesWhileItIsRead(t *testing.T) {
	f := newFake(t)
	before := f.world.State()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			p := f.cast.chatter(f.cast.Support, fmt.Sprint(i), `{}`)
			f.world.Change(func(s *State) { s.JoinConversation(f.cast.Support.SID, p) })
			if _, err := f.client.ListConversation(t.Context(), f.cred, f.cast.Support.SID, ""); err != nil {
				t.Error(err)
			}
			f.world.Change(func(s *State) { s.LeaveConversation(f.cast.Support.SID, p.SID) })
		})
	}
	group.Wait()
	got, want := len(f.world.State().Conversations[f.cast.Support.SID].Participants), len(before.Conversations[f.cast.Support.SID].Participants)
	if got != want {
		t.Errorf("got %d participants after all have left, want %d", got, want)
	}
}

func TestAdmin(t *testing.T) {
	f := newFake(t)
	put := func(path, body string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, f.url+AdminPath+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := f.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	state := f.world.State().clone()
	state.RemoveConversation(f.cast.Support.SID)
	b, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	if got := put("world", string(b)); got != 204 {
		t.Errorf("got %d, want 204", got)
	}
	if got := f.get(t, f.supportPath(), nil).status; got != 404 {
		t.Errorf("got %d for a conversation that was removed, want 404", got)
	}
	if got := put("faults", `[{"status":418}]`); got != 204 {
		t.Errorf("got %d, want 204", got)
	}
	r, err := f.http.Get(f.url + AdminPath + "faults")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if shown, err := io.ReadAll(r.Body); err != nil || string(shown) != `[{"status":418}]` {
		t.Errorf("got faults %s and %v, want the one that was scripted", shown, err)
	}
	if got := put("faults", `[{"stats":418}]`); got != 400 {
		t.Errorf("got %d for a misspelt fault, want 400", got)
	}
	if got := f.get(t, f.supportPath(), nil).status; got != 418 {
		t.Errorf("got %d, want the scripted 418", got)
	}
	if got := put("world", "{"); got != 400 {
		t.Errorf("got %d for a broken body, want 400", got)
	}
	if calls := f.get(t, AdminPath+"calls", nil).body; calls["v1 list"] != 2.0 {
		t.Errorf("got calls %v, want 2 of v1 list", calls)
	}
}
