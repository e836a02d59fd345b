package participants

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rollcall-events/rollcall/validation"
)

func credentials() Credentials {
	return Credentials{Username: theAccount, Password: validation.NewSecret("s3cret")}
}

// twilio is a server that records what it is asked and answers from a script.
type twilio struct {
	*httptest.Server

	mu       sync.Mutex
	requests []*http.Request
}

// serve starts a twilio with handler and a Client of both of its APIs.
func serve(t *testing.T, handler http.HandlerFunc) (*twilio, *Client) {
	t.Helper()
	tw := &twilio{}
	tw.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tw.mu.Lock()
		tw.requests = append(tw.requests, r)
		tw.mu.Unlock()
		handler(w, r)
	}))
	t.Cleanup(tw.Close)
	return tw, connect(t, Config{ConversationsURL: tw.URL, FlexURL: tw.URL})
}

func connect(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// asked returns the request targets so far.
func (tw *twilio) asked() []string {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	var targets []string
	for _, r := range tw.requests {
		targets = append(targets, r.URL.RequestURI())
	}
	return targets
}

func answerJSON(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

// failure returns err as the *Error that every call fails with.
func failure(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want an *Error", err)
	}
	return e
}

func listConversation(t *testing.T, c *Client) ([]Participant, error) {
	t.Helper()
	return c.ListConversation(t.Context(), credentials(), theConversation, "")
}

// calls are the four calls, with a documented answer to each and what it must ask for.
func calls(t *testing.T) []call {
	t.Helper()
	return []call{
		{
			"ListConversation", "good_conversation_page", "/v1/Conversations/" + theConversation + "/Participants?PageSize=100", 2,
			func(ctx context.Context, c *Client) ([]Participant, error) {
				return c.ListConversation(ctx, credentials(), theConversation, "")
			},
		},
		{
			"ListChannel", "good_channel_page", "/v1/Interactions/" + theInteraction + "/Channels/" + theChannel + "/Participants?PageSize=1000", 2,
			func(ctx context.Context, c *Client) ([]Participant, error) {
				return c.ListChannel(ctx, credentials(), theInteraction, theChannel)
			},
		},
		{
			"ListV2", "good_orchestrator_page", "/v2/Conversations/" + theV2 + "/Participants?pageSize=1000", 2,
			func(ctx context.Context, c *Client) ([]Participant, error) {
				return c.ListV2(ctx, credentials(), theV2)
			},
		},
		{
			"FetchV2", "good_orchestrator_participant", "/v2/Conversations/conversationId/Participants/id", 1,
			func(ctx context.Context, c *Client) ([]Participant, error) {
				p, err := c.FetchV2(ctx, credentials(), "conversationId", "id")
				return []Participant{p}, err
			},
		},
	}
}

type call struct {
	name   string
	answer string // testdata file
	target string
	count  int
	do     func(context.Context, *Client) ([]Participant, error)
}

func TestEachCallAsksAsDocumented(t *testing.T) {
	for _, tc := range calls(t) {
		t.Run(tc.name, func(t *testing.T) {
			tw, c := serve(t, func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, golden(t, tc.answer)) })
			got, err := tc.do(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			diff(t, "participants", len(got), tc.count)
			diff(t, "requests", fmt.Sprint(tw.asked()), fmt.Sprint([]string{tc.target}))

			r := tw.requests[0]
			username, password, _ := r.BasicAuth()
			diff(t, "method", r.Method, http.MethodGet)
			diff(t, "credentials", username+":"+password, theAccount+":s3cret")
			diff(t, "Accept", r.Header.Get("Accept"), "application/json")
			diff(t, "User-Agent", r.UserAgent(), "rollcall/devel")
		})
	}
}

func TestEachCallFailsWithItsOperation(t *testing.T) {
	for _, tc := range calls(t) {
		t.Run(tc.name, func(t *testing.T) {
			_, broken := serve(t, func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, []byte(`[]`)) })
			_, refused := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
			for c, want := range map[*Client]Failure{broken: FailureContract, refused: FailureStatus} {
				got, err := tc.do(t.Context(), c)
				e := failure(t, err)
				diff(t, "failure", e.Failure, want)
				if !strings.HasPrefix(e.Error(), e.Operation+": ") || e.Operation == "" {
					t.Errorf("error: got %q, want it to begin with its operation %q", e, e.Operation)
				}
				if tc.name != "FetchV2" && got != nil {
					t.Errorf("participants with an error: got %v, want none", got)
				}
			}
		})
	}
}

func TestAnEmptyListIsNotNil(t *testing.T) {
	_, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, []byte(`{"meta":{"next_page_url":null},"participants":[]}`))
	})
	got, err := listConversation(t, c)
	if err != nil || got == nil || len(got) != 0 {
		t.Errorf("empty list: got %v, %v, want an empty slice", got, err)
	}
}

func TestABaseURLMayHaveAPathAndASlash(t *testing.T) {
	tw, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, golden(t, "good_conversation_page")) })
	c := connect(t, Config{ConversationsURL: tw.URL + "/twilio/", UserAgent: "mine/1"})
	if _, err := listConversation(t, c); err != nil {
		t.Fatal(err)
	}
	diff(t, "target", tw.asked()[0], "/twilio/v1/Conversations/"+theConversation+"/Participants?PageSize=100")
	diff(t, "User-Agent", tw.requests[0].UserAgent(), "mine/1")
}

func TestArgumentsAreCheckedBeforeAnythingIsSent(t *testing.T) {
	tw, c := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	ctx, cred := t.Context(), credentials()
	fail := func(_ any, err error) error { return err }
	for want, err := range map[string]error{
		"conversation: sid=CH":                  fail(c.ListConversation(ctx, cred, "..", "")),
		"conversation: sid=CH; service: sid=IS": fail(c.ListConversation(ctx, cred, "", "CH")),
		"interaction: sid=KD; channel: sid=UO":  fail(c.ListChannel(ctx, cred, "KD1", theInteraction)),
		"conversation: v2id":                    fail(c.ListV2(ctx, cred, "a/b")),
		"conversation: v2id; participant: v2id": fail(c.FetchV2(ctx, cred, "", "..")),
		"participant: v2id":                     fail(c.FetchV2(ctx, cred, theV2, "a?b")),
	} {
		e := failure(t, err)
		diff(t, "failure", e.Failure, FailureArgument)
		diff(t, "problems", e.Problems.Error(), want)
		diff(t, "error", e.Error(), e.Operation+": malformed argument: "+want)
	}
	diff(t, "requests", len(tw.asked()), 0)
}

func TestNewReportsAllThatIsWrong(t *testing.T) {
	_, err := New(Config{
		ConversationsURL: "https://user:hunter2@conversations.twilio.com",
		FlexURL:          "ftp://flex",
		MaxBody:          -1,
		UserAgent:        "a\r\nX-Evil: 1",
	})
	if err == nil {
		t.Fatal("got no error, want one")
	}
	for _, want := range []string{"ConversationsURL: must not carry credentials", "FlexURL: must begin with http", "MaxBody: ", "UserAgent: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error: got %q, want it to hold %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error: got %q, want no password in it", err)
	}
}

func TestNewChecksBaseURLs(t *testing.T) {
	for raw, ok := range map[string]bool{
		"":                         true,
		"http://127.0.0.1:8090":    true,
		"https://a.b/prefix/":      true,
		"conversations.twilio.com": false,
		"https://":                 false,
		"https://a.b?x=1":          false,
		"https://a.b?":             false,
		"https://a.b#x":            false,
		"https://a b":              false,
		"http://:80":               false,
	} {
		_, err := New(Config{ConversationsURL: raw, FlexURL: raw})
		diff(t, raw+" accepted", err == nil, ok)
		diff(t, raw+" accepted by CheckBaseURL", CheckBaseURL(raw) == nil, ok && raw != "")
	}
}

func TestTheCallersHTTPClientIsNotChanged(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	tw, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1", Path: "/"})
		answerJSON(w, golden(t, "good_conversation_page"))
	})
	theirs := &http.Client{Transport: &http.Transport{}, Jar: jar}
	c := connect(t, Config{ConversationsURL: tw.URL, HTTPClient: theirs})
	if _, err := listConversation(t, c); err != nil {
		t.Fatal(err)
	}
	if theirs.CheckRedirect != nil || theirs.Jar != jar {
		t.Error("the caller's http.Client was changed")
	}
	u, err := url.Parse(tw.URL)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "cookies kept", len(jar.Cookies(u)), 0)
}

func TestUnexpectedThingsAreToldOfInClosedWords(t *testing.T) {
	var mu sync.Mutex
	var told []string
	tw, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, golden(t, "good_conversation_extra")) })
	c := connect(t, Config{ConversationsURL: tw.URL, OnUnexpected: func(api API, field string) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, string(api)+" "+field)
	}})
	if _, err := listConversation(t, c); err != nil {
		t.Fatal(err)
	}
	slices.Sort(told)
	diff(t, "told", strings.Join(slices.Compact(told), ", "), "conversations address_field, conversations participant_field")
}

func TestAnAPIKeyDoesNotSayWhoseTheAnswerMustBe(t *testing.T) {
	_, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		body := strings.ReplaceAll(string(golden(t, "good_conversation_page")), theAccount, "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
		answerJSON(w, []byte(body))
	})
	key := Credentials{Username: "SKaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Password: validation.NewSecret("s")}
	if _, err := c.ListConversation(t.Context(), key, theConversation, ""); err != nil {
		t.Errorf("with an API key: got %v, want no error", err)
	}
	_, err := listConversation(t, c)
	diff(t, "with an account's own token", failure(t, err).Failure, FailureContract)
}

func TestAClientIsSafeForConcurrentUse(t *testing.T) {
	tw, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/v1/Services/"), strings.HasPrefix(r.URL.Path, "/v1/Conversations/") && r.URL.Query().Has("Page"):
			answerJSON(w, golden(t, "good_conversation_page"))
		case strings.HasPrefix(r.URL.Path, "/v1/Interactions/"):
			answerJSON(w, golden(t, "good_channel_page"))
		case strings.HasPrefix(r.URL.Path, "/v2/"):
			answerJSON(w, golden(t, "good_orchestrator_page"))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			service := validation.SID(fmt.Sprintf("IS%032x", i%4))
			if got, err := c.ListConversation(t.Context(), credentials(), theConversation, service); err != nil || len(got) != 2 {
				t.Errorf("list %d: got %d participants and %v, want 2", i, len(got), err)
			}
			if got, err := c.ListChannel(t.Context(), credentials(), theInteraction, theChannel); err != nil || len(got) != 2 {
				t.Errorf("channel %d: got %d participants and %v, want 2", i, len(got), err)
			}
			if got, err := c.ListV2(t.Context(), credentials(), theV2); err != nil || len(got) != 2 {
				t.Errorf("v2 %d: got %d participants and %v, want 2", i, len(got), err)
			}
		})
	}
	wg.Wait()
	if n := len(tw.asked()); n < 96 {
		t.Errorf("requests: got %d, want at least 96", n)
	}
}
