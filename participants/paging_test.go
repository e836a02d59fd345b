package participants

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func mustParse(tb testing.TB, raw string) *url.URL {
	tb.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

func participantSID(n int) string { return fmt.Sprintf("MB%032x", n) }

// pageOf returns a v1 page of the numbered participants; next "" is null.
func pageOf(next string, numbers ...int) []byte {
	link := "null"
	if next != "" {
		link = strconv.Quote(next)
	}
	var items []string
	for _, n := range numbers {
		items = append(items, fmt.Sprintf(`{"sid":%q}`, participantSID(n)))
	}
	return fmt.Appendf(nil, `{"meta":{"next_page_url":%s},"participants":[%s]}`, link, strings.Join(items, ","))
}

func ids(all []Participant) []string {
	var got []string
	for _, p := range all {
		got = append(got, p.ID)
	}
	return got
}

// self is the absolute URL of the list that r asks for, with another query.
func self(r *http.Request, query string) string {
	return "http://" + r.Host + r.URL.Path + "?" + query
}

func TestAllPagesAreRead(t *testing.T) {
	tw, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("PageToken") {
		case "":
			answerJSON(w, pageOf(self(r, "PageSize=100&Page=1&PageToken=PA%2B1%3D"), 1, 2))
		case "PA+1=":
			answerJSON(w, pageOf(self(r, "PageSize=100&Page=2&PageToken=PA2"))) // an empty page in between
		default:
			answerJSON(w, pageOf("", 3))
		}
	})
	got, err := listConversation(t, c)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "participants", fmt.Sprint(ids(got)), fmt.Sprint([]string{participantSID(1), participantSID(2), participantSID(3)}))
	diff(t, "requests", len(tw.asked()), 3)
	for _, r := range tw.requests {
		if _, password, _ := r.BasicAuth(); password != "s3cret" {
			t.Errorf("%s: got password %q, want s3cret", r.URL, password)
		}
	}
}

func TestAllV2PagesAreRead(t *testing.T) {
	tw, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch token := r.URL.Query().Get("pageToken"); token {
		case "":
			answerJSON(w, []byte(`{"meta":{"nextToken":"a+b/c=="},"participants":[{"id":"one"}]}`))
		case "a+b/c==":
			answerJSON(w, []byte(`{"meta":{"nextToken":""},"participants":[{"id":"one"},{"id":"two"}]}`))
		default:
			t.Errorf("pageToken: got %q, want what the page before said", token)
		}
	})
	got, err := c.ListV2(t.Context(), credentials(), theV2)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "participants", fmt.Sprint(ids(got)), "[one two]")
	diff(t, "second request", tw.asked()[1], "/v2/Conversations/"+theV2+"/Participants?pageSize=1000&pageToken=a%2Bb%2Fc%3D%3D")
}

func TestAListThatChangesWhileItIsPaged(t *testing.T) {
	_, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("Page") {
			answerJSON(w, pageOf("", 2, 3, 4)) // one joined before, so that 2 slipped onto this page too
			return
		}
		answerJSON(w, pageOf(self(r, "Page=1"), 1, 1, 2)) // within a page nothing is dropped
	})
	got, err := listConversation(t, c)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{participantSID(1), participantSID(1), participantSID(2), participantSID(3), participantSID(4)}
	if !slices.Equal(ids(got), want) {
		t.Errorf("participants: got %v, want %v", ids(got), want)
	}
}

func TestListsEndAtTheirDocumentedMaximum(t *testing.T) {
	for _, tc := range []struct {
		call  call
		last  int // pages after which there is no next one
		pages int // read
		want  Failure
	}{
		{calls(t)[0], 10, 10, ""},
		{calls(t)[0], 11, 11, ""}, // a full tenth page may name one more, which holds nobody
		{calls(t)[0], 12, 11, FailurePaging},
		{calls(t)[1], 21, 21, ""},
		{calls(t)[1], 22, 21, FailurePaging},
		{calls(t)[2], 21, 21, ""},
		{calls(t)[2], 22, 21, FailurePaging},
	} {
		t.Run(fmt.Sprintf("%s of %d pages", tc.call.name, tc.last), func(t *testing.T) {
			pages := 0
			tw, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				pages++
				if pages == tc.last {
					answerJSON(w, []byte(`{"meta":{"next_page_url":null,"nextToken":null},"participants":[]}`))
					return
				}
				answerJSON(w, fmt.Appendf(nil, `{"meta":{"next_page_url":%q,"nextToken":"%d"},"participants":[]}`, self(r, "Page="+strconv.Itoa(pages)), pages))
			})
			_, err := tc.call.do(t.Context(), c)
			diff(t, "pages", len(tw.asked()), tc.pages)
			if tc.want == "" {
				diff(t, "error", err, nil)
				return
			}
			e := failure(t, err)
			diff(t, "failure", e.Failure, tc.want)
			diff(t, "status", e.Status, http.StatusOK)
		})
	}
}

func TestAListHoldsNobodyPastItsDocumentedMaximum(t *testing.T) {
	page := 0
	tw, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if page++; page == 11 {
			answerJSON(w, pageOf("", page))
			return
		}
		answerJSON(w, pageOf(self(r, "Page="+strconv.Itoa(page)), page))
	})
	_, err := listConversation(t, c)
	diff(t, "failure", failure(t, err).Failure, FailurePaging)
	diff(t, "pages", len(tw.asked()), 11)
}

func TestLoopsAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		call  call
		next  func(r *http.Request) string
		pages int
	}{
		"v1 to itself":          {calls(t)[0], func(r *http.Request) string { return self(r, r.URL.RawQuery) }, 1},
		"v1 to and fro":         {calls(t)[0], func(r *http.Request) string { return self(r, "PageSize=100&Page="+other(r, "Page")) }, 3},
		"v1 in another order":   {calls(t)[0], func(r *http.Request) string { return self(r, reordered(r)) }, 2},
		"v2 with the one token": {calls(t)[2], func(*http.Request) string { return "again" }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			tw, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				next := tc.next(r)
				answerJSON(w, fmt.Appendf(nil, `{"meta":{"next_page_url":%q,"nextToken":%q},"participants":[]}`, next, next))
			})
			_, err := tc.call.do(t.Context(), c)
			diff(t, "failure", failure(t, err).Failure, FailurePaging)
			diff(t, "pages", len(tw.asked()), tc.pages)
			if !strings.Contains(err.Error(), "next page refused: it was read already") {
				t.Errorf("error: got %q, want it to say that the page was read", err)
			}
		})
	}
}

func other(r *http.Request, name string) string {
	if r.URL.Query().Get(name) == "1" {
		return "2"
	}
	return "1"
}

// reordered names the second page, whose parameters then change places.
func reordered(r *http.Request) string {
	if strings.HasSuffix(r.URL.RawQuery, "PageSize=100") {
		return "PageSize=100&Page=1"
	}
	return "Page=1&PageSize=100"
}

func TestANextPageElsewhereIsNeverAskedFor(t *testing.T) {
	foreign := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the foreign server was asked for %s", r.URL)
	}))
	t.Cleanup(foreign.Close)
	list := "/v1/Conversations/" + theConversation + "/Participants"
	for name, next := range map[string]func(host string) string{
		"another host":      func(string) string { return foreign.URL + list + "?Page=1" },
		"Twilio's own host": func(string) string { return DefaultConversationsURL + list + "?Page=1" },
		"another scheme":    func(host string) string { return "https://" + host + list + "?Page=1" },
		"another port": func(host string) string {
			return "http://" + mustParse(t, "http://"+host).Hostname() + list + "?Page=1"
		},
		"host as userinfo": func(host string) string {
			return "http://" + host + "@" + mustParse(t, foreign.URL).Host + list + "?Page=1"
		},
		"with userinfo": func(host string) string { return "http://me:pw@" + host + list + "?Page=1" },
		"no scheme":     func(host string) string { return "//" + host + list + "?Page=1" },
		"relative":      func(string) string { return list + "?Page=1" },
		"another list": func(host string) string {
			return "http://" + host + "/v1/Conversations/CHbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb/Participants?Page=1"
		},
		"up the path":         func(host string) string { return "http://" + host + list + "/../Participants?Page=1" },
		"no URL":              func(string) string { return "http://[::1" },
		"no query":            func(host string) string { return "http://" + host + list + "?Page=%zz" },
		"too long":            func(host string) string { return "http://" + host + list + "?Page=" + strings.Repeat("1", maxNext) },
		"another kind of URL": func(host string) string { return "http:" + host + list },
	} {
		t.Run(name, func(t *testing.T) {
			tw, c := serve(t, func(w http.ResponseWriter, r *http.Request) { answerJSON(w, pageOf(next(r.Host), 1)) })
			_, err := listConversation(t, c)
			e := failure(t, err)
			diff(t, "failure", e.Failure, FailurePaging)
			diff(t, "requests", len(tw.asked()), 1)
			if strings.Contains(err.Error(), "Page=") || strings.Contains(err.Error(), "pw") {
				t.Errorf("error: got %q, want nothing of the link in it", err)
			}
		})
	}
}

func TestALongTokenIsRefused(t *testing.T) {
	_, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, fmt.Appendf(nil, `{"meta":{"nextToken":%q},"participants":[]}`, strings.Repeat("t", maxNext+1)))
	})
	_, err := c.ListV2(t.Context(), credentials(), theV2)
	diff(t, "failure", failure(t, err).Failure, FailurePaging)
}

func TestTheStandardPortIsTheSameOrigin(t *testing.T) {
	list := mustParse(t, DefaultConversationsURL+"/v1/x")
	for next, want := range map[string]bool{
		"https://conversations.twilio.com:443/v1/x?Page=1": true,
		"HTTPS://Conversations.Twilio.com/v1/x?Page=1":     true,
		"https://conversations.twilio.com:444/v1/x?Page=1": false,
		"http://conversations.twilio.com:443/v1/x?Page=1":  false,
		"https://conversations.twilio.com./v1/x?Page=1":    false,
	} {
		_, err := followURL(list, nil, next)
		diff(t, next, err == nil, want)
	}
}

func TestAFailureOnALaterPageFailsTheList(t *testing.T) {
	_, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("Page") {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		answerJSON(w, pageOf(self(r, "Page=1"), 1))
	})
	got, err := listConversation(t, c)
	diff(t, "status", failure(t, err).Status, http.StatusServiceUnavailable)
	diff(t, "participants", len(got), 0)
}
