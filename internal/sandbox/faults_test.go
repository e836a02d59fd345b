package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// lookups are every call of the client that a fault can spoil.
func (f fake) lookups() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"v1": func(ctx context.Context) error {
			_, err := f.client.ListConversation(ctx, f.cred, f.cast.Support.SID, "")
			return err
		},
		"flex": func(ctx context.Context) error {
			_, err := f.client.ListChannel(ctx, f.cred, f.cast.Desk.Interaction, f.cast.Desk.SID)
			return err
		},
		"v2": func(ctx context.Context) error {
			_, err := f.client.ListV2(ctx, f.cred, f.cast.Order.ID)
			return err
		},
		"v2 fetch": func(ctx context.Context) error {
			_, err := f.client.FetchV2(ctx, f.cred, f.cast.Order.ID, f.cast.Iris.ID)
			return err
		},
	}
}

var (
	everyLookup = []string{"v1", "flex", "v2", "v2 fetch"}
	everyList   = []string{"v1", "flex", "v2"}
)

func TestEveryFaultCausesItsError(t *testing.T) {
	status := func(status, code int) participants.Error {
		return participants.Error{Failure: participants.FailureStatus, Status: status, Code: code}
	}
	contract := participants.Error{Failure: participants.FailureContract, Status: 200}
	paging := participants.Error{Failure: participants.FailurePaging, Status: 200}
	transport := participants.Error{Failure: participants.FailureTransport}
	cut := participants.Error{Failure: participants.FailureTransport, Status: 200}
	for _, tt := range []struct {
		fault   string
		lookups []string
		want    participants.Error
		rule    string // of its only problem's kind, for contract
	}{
		{`{"status":400}`, everyLookup, status(400, 20001), ""},
		{`{"status":401}`, everyLookup, status(401, 20003), ""},
		{`{"status":404}`, everyLookup, status(404, 20404), ""},
		{`{"status":429}`, everyLookup, status(429, 20429), ""},
		{`{"status":429,"code":45780}`, everyLookup, status(429, 45780), ""},
		{`{"status":500}`, everyLookup, status(500, 20500), ""},
		{`{"status":503,"standard":true}`, everyLookup, status(503, 20503), ""},
		{`{"status":502,"body":"<html>Bad Gateway</html>","content_type":"text/html"}`, everyLookup, status(502, 0), ""},
		{`{"status":302}`, everyLookup, status(302, 20001), ""},
		{`{"latency":"1h"}`, everyLookup, transport, ""},
		{`{"hang":true}`, everyLookup, transport, ""},
		{`{"truncate":true}`, everyLookup, cut, ""},
		{`{"truncate":true,"hang":true}`, everyLookup, cut, ""},
		{`{"body":"<html>"}`, everyLookup, contract, "json"},
		{`{"body":"<html>","content_type":"text/html"}`, everyLookup, contract, "json"},
		{`{"content_type":"application/json"}`, everyLookup, contract, "json"},
		{`{"body":"{}"}`, everyLookup, contract, "required"},
		{`{"wrong":"account"}`, []string{"v1", "v2", "v2 fetch"}, contract, "requested"},
		{`{"wrong":"conversation"}`, everyLookup, contract, "requested"},
		{`{"wrong":"participant"}`, []string{"v2 fetch"}, contract, "requested"},
		{`{"wrong":"format"}`, []string{"v1", "flex"}, contract, "sid="},
		{`{"wrong":"format"}`, []string{"v2", "v2 fetch"}, contract, "v2id"},
		{`{"next_page":"self"}`, everyList, paging, ""},
		{`{"next_page":"endless"}`, everyList, paging, ""},
		{`{"next_page":"https://elsewhere.example/v1/Conversations"}`, []string{"v1", "flex"}, paging, ""},
		{`{"next_page":"not a token"}`, []string{"v2"}, status(400, 20001), ""},
	} {
		for _, name := range tt.lookups {
			t.Run(name+" "+tt.fault, func(t *testing.T) {
				f := newFake(t)
				f.Script(parseFaults(t, "["+tt.fault+"]")...)
				ctx, cancel := context.WithTimeout(t.Context(), patience(tt.want))
				defer cancel()
				err := f.lookups()[name](ctx)
				got, ok := errors.AsType[*participants.Error](err)
				if !ok || got.Failure != tt.want.Failure || got.Status != tt.want.Status || got.Code != tt.want.Code {
					t.Fatalf("got %#v, want %+v", err, tt.want)
				}
				if tt.rule != "" && !strings.HasPrefix(got.Problems[0].Rule, tt.rule) {
					t.Errorf("got problems %v, want the rule %s broken", got.Problems, tt.rule)
				}
				f.ClearFaults()
				if err := f.lookups()[name](t.Context()); err != nil {
					t.Errorf("got %v once the faults are cleared, want the answer", err)
				}
			})
		}
	}
}

// patience is how long a caller waits: not long where that is how it ends.
func patience(e participants.Error) time.Duration {
	if e.Failure == participants.FailureTransport {
		return 100 * time.Millisecond
	}
	return time.Minute
}

func parseFaults(t *testing.T, script string) []Fault {
	t.Helper()
	var fs []Fault
	if err := json.Unmarshal([]byte(script), &fs); err != nil {
		t.Fatal(err)
	}
	return fs
}

// wantStatus checks that err is the client's for an answer with status, or for 0 that there is none.
func wantStatus(t *testing.T, err error, status int) *participants.Error {
	t.Helper()
	e, ok := errors.AsType[*participants.Error](err)
	if (err != nil || status != 0) && (!ok || e.Status != status) {
		t.Errorf("got %v, want status %d", err, status)
	}
	return e
}

func TestRetryAfterInEveryForm(t *testing.T) {
	date := time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
	for header, want := range map[string][2]time.Duration{
		"7":    {7 * time.Second, 7 * time.Second},
		"+7s":  {6 * time.Second, 8 * time.Second},
		date:   {50 * time.Second, time.Minute},
		"soon": {0, 0},
	} {
		f := newFake(t)
		f.Script(Fault{Status: 429, RetryAfter: header})
		e := wantStatus(t, f.lookups()["v1"](t.Context()), 429)
		if e == nil || e.RetryAfter < want[0] || e.RetryAfter > want[1] {
			t.Errorf("%s: got %+v, want retry after %v to %v", header, e, want[0], want[1])
		}
	}
}

func TestAFaultIsSpent(t *testing.T) {
	f := newFake(t)
	f.Script(
		Fault{Path: "/v2/", Status: 500},
		Fault{Path: "/v1/Conversations/", Times: 2, Status: 429},
		Fault{Path: "/v1/Conversations/", Every: 2, Times: 1, Status: 503},
	)
	list := f.lookups()["v1"]
	for i, want := range []int{429, 429, 0, 503, 0} {
		t.Run(fmt.Sprint(i), func(t *testing.T) { wantStatus(t, list(t.Context()), want) })
	}
	if left := f.Faults(); len(left) != 1 || left[0].Path != "/v2/" {
		t.Errorf("got faults %+v left, want that of /v2/", left)
	}
}

func TestAFaultOfOneAccountIsNoOthers(t *testing.T) {
	f := newFake(t)
	key := SID("SK", "key")
	f.world.Change(func(s *State) {
		a := s.Accounts[f.cast.Account]
		a.APIKeys = map[string]string{string(key): "secret"}
		s.AddAccount(a)
		s.AddAccount(Account{SID: SID("AC", "other"), AuthToken: "other"})
	})
	f.Script(Fault{Account: f.cast.Account, Status: 503})
	list := f.lookups()["v1"]
	wantStatus(t, list(t.Context()), 503)
	f.cred = participants.Credentials{Username: string(key), Password: validation.NewSecret("secret")}
	wantStatus(t, f.lookups()["v1"](t.Context()), 503)
	f.cred = participants.Credentials{Username: string(SID("AC", "other")), Password: validation.NewSecret("other")}
	wantStatus(t, f.lookups()["v1"](t.Context()), 404) // it is not its conversation
}

func TestTheConcurrencyLimitIsTheAccounts(t *testing.T) {
	const limit, calls = 3, 10
	f := newFake(t)
	f.Script(Fault{Concurrency: limit}, Fault{Hang: true, Account: f.cast.Account})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	refused := make(chan *participants.Error, calls)
	var under sync.WaitGroup
	for range calls {
		under.Go(func() {
			err := f.lookups()["v1"](ctx)
			if e, ok := errors.AsType[*participants.Error](err); ok && e.Status != 0 {
				refused <- e
			}
		})
	}
	for range calls - limit {
		if e := <-refused; e.Status != 429 || e.Code != 20429 {
			t.Errorf("got %v, want 429 with code 20429", e)
		}
	}
	other := f
	other.world.Change(func(s *State) { s.AddAccount(Account{SID: SID("AC", "other"), AuthToken: "other"}) })
	other.cred = participants.Credentials{Username: string(SID("AC", "other")), Password: validation.NewSecret("other")}
	got := other.get(t, f.supportPath(), nil)
	if got.status != 404 || got.header.Get(concurrentHeader) != "1" {
		t.Errorf("got %d with %s requests under way for another account, want 404 with 1", got.status, got.header.Get(concurrentHeader))
	}
	got = f.get(t, f.supportPath(), nil)
	if got.status != 429 || got.header.Get(concurrentHeader) != fmt.Sprint(limit+1) {
		t.Errorf("got %d with %s requests under way, want 429 with %d", got.status, got.header.Get(concurrentHeader), limit+1)
	}
	cancel()
	under.Wait()
	if len(refused) != 0 {
		t.Errorf("got %d more refused, want %d in all", len(refused), calls-limit)
	}
}

func TestCredentialsNeverFollowAForeignLink(t *testing.T) {
	f := newFake(t)
	var asked atomic.Int32
	foreign := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer foreign.Close()
	f.Script(Fault{NextPage: foreign.URL + f.supportPath() + "?Page=1&PageToken=x"})
	got, ok := errors.AsType[*participants.Error](f.lookups()["v1"](t.Context()))
	if !ok || got.Failure != participants.FailurePaging || asked.Load() != 0 {
		t.Errorf("got %v and %d requests to the foreign host, want the page refused and none", got, asked.Load())
	}
}

// crowd adds n participants to Support, after Dana.
func (f fake) crowd(n int) {
	f.world.Change(func(s *State) {
		for i := range n {
			s.JoinConversation(f.cast.Support.SID, f.cast.chatter(f.cast.Support, fmt.Sprint("crowd ", i), `{}`))
		}
	})
}

func TestAListThatChangesBetweenItsPages(t *testing.T) {
	for shift, want := range map[int]int{5: 251, -5: 241} {
		f := newFake(t)
		f.crowd(250)
		f.Script(Fault{Shift: shift})
		got, err := f.client.ListConversation(t.Context(), f.cred, f.cast.Support.SID, "")
		ids := map[string]bool{}
		for _, p := range got {
			ids[p.ID] = true
		}
		if err != nil || len(got) != want || len(ids) != want {
			t.Errorf("shift %d: got %d participants, %d different ones, %v; want %d, each once", shift, len(got), len(ids), err, want)
		}
	}
}

func TestADeadlineIsForAllPages(t *testing.T) {
	f := newFake(t)
	f.crowd(900)
	f.Script(Fault{Latency: 200 * time.Millisecond}) // each page alone would be in time
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := f.lookups()["v1"](ctx)
	if pages := f.Calls()[EndpointConversation]; !errors.Is(err, context.DeadlineExceeded) || pages >= 10 {
		t.Errorf("got %v after %d pages, want the deadline before the last of ten", err, pages)
	}
}

func TestAScriptIsReadStrictly(t *testing.T) {
	for script, want := range map[string]string{
		`[{"tims":1}]`:                              `unknown field "tims"`,
		`[{"status":99}]`:                           "status: got 99, want 200 to 599",
		`[{"times":-1,"every":-1}]`:                 "every: got -1, want 0 or more\ntimes: got -1",
		`[{"latency":"soon"}]`:                      `latency: got "soon"`,
		`[{"wrong":"everything"}]`:                  "wrong: got everything",
		`[{"account":"me"}]`:                        "account: got me",
		`[{"status":429,"retry_after":"+a while"}]`: "retry_after: got +a while",
	} {
		var fs []Fault
		if err := json.Unmarshal([]byte(script), &fs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", script, err, want)
		}
	}
	got := parseFaults(t, `[{"latency":"250ms","times":3},{"latency":1000000}]`)
	if want := []Fault{{Latency: 250 * time.Millisecond, Times: 3}, {Latency: time.Millisecond}}; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	b, err := json.Marshal(got)
	if again := parseFaults(t, string(b)); err != nil || !slices.Equal(again, got) {
		t.Errorf("got %s and %v, want what reads back as the same", b, err)
	}
}
