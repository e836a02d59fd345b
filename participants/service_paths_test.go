package participants

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/validation"
)

const (
	plainPath = "/v1/Conversations/" + theConversation + "/Participants?PageSize=100"
	belowPath = "/v1/Services/" + theService + "/Conversations/" + theConversation + "/Participants?PageSize=100"
)

// reachable serves a conversation on the paths that begin with one of prefixes, and is 404 elsewhere.
func reachable(t *testing.T, prefixes ...string) (*twilio, *Client, func(...string)) {
	t.Helper()
	tw, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for _, prefix := range prefixes {
			if strings.HasPrefix(r.URL.Path, prefix) {
				answerJSON(w, golden(t, "good_conversation_page"))
				return
			}
		}
		w.Header().Set("Twilio-Request-Id", theRequest)
		w.WriteHeader(http.StatusNotFound)
	})
	return tw, c, func(now ...string) { prefixes = now }
}

func TestAServicesOwnPathIsTriedAndRemembered(t *testing.T) {
	tw, c, move := reachable(t, "/v1/Services/")
	list := func() error {
		_, err := c.ListConversation(t.Context(), credentials(), theConversation, theService)
		return err
	}
	want := func(what string, err error, targets ...string) {
		t.Helper()
		diff(t, what+": error", err, nil)
		diff(t, what+": requests", fmt.Sprint(tw.asked()), fmt.Sprint(targets))
		tw.mu.Lock()
		tw.requests = nil
		tw.mu.Unlock()
	}
	want("first", list(), plainPath, belowPath)
	want("remembered", list(), belowPath)
	move("/v1/Conversations/")
	want("moved", list(), belowPath, plainPath)
	want("remembered again", list(), plainPath)
}

func TestANotFoundOnBothPathsIsThePlainOnes(t *testing.T) {
	tw, c, move := reachable(t)
	for range 2 {
		_, err := c.ListConversation(t.Context(), credentials(), theConversation, theService)
		e := failure(t, err)
		diff(t, "status", e.Status, http.StatusNotFound)
		diff(t, "request", e.RequestID, theRequest)
	}
	diff(t, "requests", fmt.Sprint(tw.asked()), fmt.Sprint([]string{plainPath, belowPath, plainPath, belowPath}))

	move("/v1/Services/")
	if _, err := c.ListConversation(t.Context(), credentials(), theConversation, theService); err != nil {
		t.Fatal(err)
	}
	move()
	_, err := c.ListConversation(t.Context(), credentials(), theConversation, theService)
	diff(t, "status after it was found below", failure(t, err).Status, http.StatusNotFound)
}

func TestOnlyANotFoundIsTriedElsewhere(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusTooManyRequests, http.StatusInternalServerError} {
		tw, c := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		_, err := c.ListConversation(t.Context(), credentials(), theConversation, theService)
		diff(t, "status", failure(t, err).Status, status)
		diff(t, "requests", len(tw.asked()), 1)
	}
	tw, c, _ := reachable(t)
	_, err := listConversation(t, c)
	diff(t, "status without a service", failure(t, err).Status, http.StatusNotFound)
	diff(t, "requests without a service", len(tw.asked()), 1)
}

func TestAFailureOnTheOtherPathIsReported(t *testing.T) {
	_, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/Services/") {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	})
	_, err := c.ListConversation(t.Context(), credentials(), theConversation, theService)
	diff(t, "status", failure(t, err).Status, http.StatusTooManyRequests)
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	var s servicePaths
	for i := range 3 * maxServices {
		s.remember(validation.SID(fmt.Sprintf("IS%032x", i)), true)
	}
	diff(t, "services", len(s.services), maxServices)
	diff(t, "the last one", s.below(validation.SID(fmt.Sprintf("IS%032x", 3*maxServices-1))), true)
}
