package participants_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

const (
	account      = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	conversation = "CHaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
)

func ExampleClient_ListConversation() {
	server := twilio(http.StatusOK, `{
		"participants": [
			{"sid": "MBaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1", "identity": null, "messaging_binding": {"type": "sms", "address": "+15558675310"}},
			{"sid": "MBaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2", "identity": "alice", "messaging_binding": null}
		],
		"meta": {"next_page_url": null}
	}`)
	defer server.Close()

	client, err := participants.New(participants.Config{ConversationsURL: server.URL}) // without it: Twilio
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseIdleConnections()
	cred := participants.Credentials{Username: account, Password: validation.NewSecret("the auth token")}

	all, err := client.ListConversation(context.Background(), cred, conversation, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range all {
		fmt.Printf("%s %q\n", p.ID, p.Identity)
		for _, a := range p.Addresses {
			fmt.Println(" ", a.Channel, a.Address)
		}
	}
	// Output:
	// MBaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1 ""
	//   sms +15558675310
	// MBaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2 "alice"
}

// Every call fails with an *Error, which says what Twilio answered, and when it may be tried again.
func ExampleError() {
	server := twilio(http.StatusTooManyRequests, `{"code": 20429, "message": "Too many requests"}`)
	defer server.Close()

	client, err := participants.New(participants.Config{ConversationsURL: server.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseIdleConnections()
	cred := participants.Credentials{Username: account, Password: validation.NewSecret("the auth token")}

	_, err = client.ListConversation(context.Background(), cred, conversation, "")
	if failed, ok := errors.AsType[*participants.Error](err); ok && failed.Status == http.StatusTooManyRequests {
		fmt.Println(failed)
		fmt.Println("again in", failed.RetryAfter)
	}
	// Output:
	// list conversation participants: status 429, code 20429: Too many requests
	// again in 2s
}

// twilio stands in for Twilio's API: it always gives the same answer.
func twilio(status int, body string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "2")
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
}
