package participants

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/internal/freeport"
)

func TestBothShapesOfErrorsAreRead(t *testing.T) {
	for name, tc := range map[string]struct {
		status  int
		body    string
		code    int
		message string
		want    string
	}{
		"v1": {
			404, `{"code":20404,"message":"The requested resource /v1/Conversations/` + theConversation + `/Participants was not found","more_info":"https://www.twilio.com/docs/errors/20404","status":404}`,
			20404, "The requested resource … was not found",
			"list conversation participants: status 404, code 20404: The requested resource … was not found (request " + theRequest + ")",
		},
		"API Standards": {
			429, `{"code":20429,"message":"Too Many Requests","httpStatusCode":200,"params":{"sid":"alice"},"userError":false}`,
			20429, "Too Many Requests",
			"list conversation participants: status 429, code 20429: Too Many Requests (request " + theRequest + ")",
		},
		"not JSON":        {502, `<html>alice</html>`, 0, "", "list conversation participants: status 502 (request " + theRequest + ")"},
		"other types":     {400, `{"code":"alice","message":["alice"]}`, 0, "", "list conversation participants: status 400 (request " + theRequest + ")"},
		"absurd code":     {400, `{"code":1234567,"message":"alice"}`, 0, "", "list conversation participants: status 400 (request " + theRequest + ")"},
		"a lying status":  {503, `{"code":20404,"message":"","status":404}`, 20404, "", "list conversation participants: status 503, code 20404 (request " + theRequest + ")"},
		"nothing":         {401, ``, 0, "", "list conversation participants: status 401 (request " + theRequest + ")"},
		"a redirect":      {302, ``, 0, "", "list conversation participants: status 302 (request " + theRequest + ")"},
		"request timeout": {408, ``, 0, "", "list conversation participants: status 408 (request " + theRequest + ")"},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Twilio-Request-Id", theRequest)
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			})
			_, err := listConversation(t, c)
			e := failure(t, err)
			diff(t, "failure", e.Failure, FailureStatus)
			diff(t, "status", e.Status, tc.status)
			diff(t, "code", e.Code, tc.code)
			diff(t, "message", e.Message, tc.message)
			diff(t, "error", e.Error(), tc.want)
		})
	}
}

func TestMessagesAreCleaned(t *testing.T) {
	for message, want := range map[string]string{
		"":             "",
		"Authenticate": "Authenticate",
		"Authentication Error - invalid username":                     "Authentication Error - invalid username",
		"Participant with identity 'alice' already exists.":           "Participant with … already exists.",
		"User alice@example.com (+15558675310) not found":             "User … not found",
		"Conversation with SID " + theConversation + " was not found": "Conversation with SID … was not found",
		"whatsapp:+15558675310 rcs:brand Dana Smith":                  "",
		"Paged requests must include a PageToken":                     "Paged requests must include a PageToken",
		"Too\nMany\r\nRequests\x1b[31m":                               "Too Many …",
		strings.Repeat("invalid ", 1000):                              strings.TrimSpace(strings.Repeat("invalid ", maxMessageWords)),
	} {
		diff(t, fmt.Sprintf("%.40q", message), cleanMessage(message), want)
	}
}

func TestARequestIDIsValidated(t *testing.T) {
	for _, id := range []string{"", "alice", "RQ1", "AC0123456789abcdef0123456789abcdef", theRequest + "0"} {
		resp := &http.Response{Header: http.Header{"Twilio-Request-Id": {id}}}
		diff(t, id, requestID(resp), "")
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"7":                              7 * time.Second,
		" 7 ":                            7 * time.Second,
		"-7":                             0,
		"1.5":                            0,
		"soon":                           0,
		"86400":                          time.Hour,
		"99999999999999999999999999":     time.Hour,
		"Fri, 02 Jan 2026 03:04:35 GMT":  30 * time.Second,
		"Fri, 02 Jan 2026 03:04:05 GMT":  0,
		"Thu, 01 Jan 2026 03:04:35 GMT":  0,
		"Fri, 02 Jan 2099 03:04:35 GMT":  time.Hour,
		"Friday, 02-Jan-26 03:04:35 GMT": 30 * time.Second,
	} {
		diff(t, fmt.Sprintf("%q", header), retryAfter(header, now), want)
	}
}

func TestRetryAfterReachesTheCaller(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, header := range []string{"9", now.Add(9 * time.Second).Format(http.TimeFormat)} {
		_, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		c.now = func() time.Time { return now }
		_, err := listConversation(t, c)
		diff(t, header, failure(t, err).RetryAfter, 9*time.Second)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect was followed to %s with Authorization %q", r.URL, r.Header.Get("Authorization"))
	}))
	t.Cleanup(elsewhere.Close)
	for _, tc := range calls(t) {
		for _, status := range []int{301, 302, 303, 307, 308} {
			tw, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, elsewhere.URL+r.URL.Path, status)
			})
			_, err := tc.do(t.Context(), c)
			e := failure(t, err)
			diff(t, tc.name+" status", e.Status, status)
			diff(t, tc.name+" failure", e.Failure, FailureStatus)
			diff(t, tc.name+" requests", len(tw.asked()), 1)
		}
	}
}

func TestOnlyJSONIsRead(t *testing.T) {
	for contentType, ok := range map[string]bool{
		"application/json":                true,
		"application/json; charset=utf-8": true,
		"application/hal+json":            true,
		"text/html":                       false,
		"text/plain; charset=utf-8":       false,
		"application/jsonx":               false,
		";":                               false,
	} {
		_, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Twilio-Request-Id", theRequest)
			_, _ = w.Write(golden(t, "good_conversation_page"))
		})
		_, err := listConversation(t, c)
		if ok {
			diff(t, contentType, err, nil)
			continue
		}
		diff(t, contentType, failure(t, err).Error(),
			"list conversation participants: answer breaks its contract: Content-Type: json (request "+theRequest+")")
	}
}

func TestAnEmptyAnswerBreaksTheContract(t *testing.T) {
	_, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNoContent)
	})
	_, err := listConversation(t, c)
	e := failure(t, err)
	diff(t, "failure", e.Failure, FailureContract)
	diff(t, "status", e.Status, http.StatusNoContent)
}

func TestAnswersAreCapped(t *testing.T) {
	body := golden(t, "good_conversation_page")
	for name, tc := range map[string]struct {
		limit int64
		want  Failure
	}{
		"at the limit":   {int64(len(body)), ""},
		"over the limit": {int64(len(body)) - 1, FailureTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			tw, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, body) })
			c := connect(t, Config{ConversationsURL: tw.URL, MaxBody: tc.limit})
			_, err := listConversation(t, c)
			if tc.want == "" {
				diff(t, "error", err, nil)
				return
			}
			diff(t, "failure", failure(t, err).Failure, tc.want)
			diff(t, "error", err.Error(), "list conversation participants: answer too large")
		})
	}
}

func TestTheCapIsOnWhatABodyDecompressesTo(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := z.Write(bytes.Repeat([]byte(" "), 8<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	tw, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		answerJSON(w, bomb.Bytes())
	})
	c := connect(t, Config{ConversationsURL: tw.URL, MaxBody: 64 << 10})
	_, err := listConversation(t, c)
	diff(t, "failure", failure(t, err).Failure, FailureTooLarge)
}

func TestReadingStopsAtTheCap(t *testing.T) {
	const enough = 64 << 20
	sent := make(chan int, 1)
	tw, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		chunk, n := bytes.Repeat([]byte(" "), 64<<10), 0
		for n < enough {
			written, err := w.Write(chunk)
			if n += written; err != nil {
				break
			}
		}
		sent <- n
	})
	c := connect(t, Config{ConversationsURL: tw.URL, MaxBody: 64 << 10})
	_, err := listConversation(t, c)
	diff(t, "failure", failure(t, err).Failure, FailureTooLarge)
	if n := <-sent; n >= enough { // what is in flight depends on the kernel's buffers
		t.Errorf("bytes taken of an endless answer: got %d, want the call to hang up before %d", n, enough)
	}
}

func TestACutAnswerIsATransportFailure(t *testing.T) {
	for name, header := range map[string]string{"by length": "Content-Length: 5000\r\n\r\n", "by chunk": "Transfer-Encoding: chunked\r\n\r\n1000\r\n"} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, Config{ConversationsURL: sayOnce(t, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"+header+`{"meta":`)})
			_, err := listConversation(t, c)
			e := failure(t, err)
			diff(t, "failure", e.Failure, FailureTransport)
			diff(t, "error", e.Error(), "list conversation participants: no whole answer: cut short")
			diff(t, "is unexpected EOF", errors.Is(err, io.ErrUnexpectedEOF), true)
		})
	}
}

func TestAMalformedAnswerIsNotRepeated(t *testing.T) {
	c := connect(t, Config{ConversationsURL: sayOnce(t, "hello alice +15558675310\r\n\r\n")})
	_, err := listConversation(t, c)
	diff(t, "failure", failure(t, err).Failure, FailureTransport)
	diff(t, "error", err.Error(), "list conversation participants: no whole answer: malformed answer")
}

// sayOnce starts a server that answers one connection with text and hangs up.
func sayOnce(t *testing.T, text string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, text)
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return "http://" + listener.Addr().String()
}

func TestNobodyThereIsATransportFailure(t *testing.T) {
	c := connect(t, Config{ConversationsURL: "http://" + freeport.Address(t)})
	_, err := listConversation(t, c)
	e := failure(t, err)
	diff(t, "failure", e.Failure, FailureTransport)
	diff(t, "error", e.Error(), "list conversation participants: no whole answer: connection refused")
}

func TestAContextEndsAHangingCall(t *testing.T) {
	for name, hang := range map[string]http.HandlerFunc{
		"before the header": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"within the body": func(w http.ResponseWriter, r *http.Request) {
			answerJSON(w, []byte(`{"meta":`))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := serve(t, hang)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := c.ListConversation(ctx, credentials(), theConversation, "")
			diff(t, "failure", failure(t, err).Failure, FailureTransport)
			diff(t, "is a deadline", errors.Is(err, context.DeadlineExceeded), true)
			diff(t, "is a cancellation", errors.Is(err, context.Canceled), false)
			diff(t, "error", err.Error(), "list conversation participants: no whole answer: context deadline exceeded")
		})
	}
}

func TestACancellationWithACauseIsStillACancellation(t *testing.T) {
	why := errors.New("stopping")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, c := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel(why)
		<-r.Context().Done()
	})
	_, err := c.ListConversation(ctx, credentials(), theConversation, "")
	diff(t, "is a cancellation", errors.Is(err, context.Canceled), true)
	diff(t, "is its cause", errors.Is(err, why), true)
}

func TestTheHTTPClientsOwnTimeoutIsNamed(t *testing.T) {
	tw, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	theirs := &http.Client{Transport: &http.Transport{}, Timeout: 50 * time.Millisecond}
	c := connect(t, Config{ConversationsURL: tw.URL, HTTPClient: theirs})
	_, err := listConversation(t, c)
	diff(t, "failure", failure(t, err).Failure, FailureTransport)
	diff(t, "is a deadline", errors.Is(err, context.DeadlineExceeded), true)
}

func TestErrorsCarryNothingFromOutside(t *testing.T) {
	_, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body := strings.NewReplacer(`"IDENTITY"`, `["alice"]`, `"+15558675310"`, `{"n":"+15558675310"}`).Replace(string(golden(t, "good_conversation_page")))
		answerJSON(w, []byte(body))
	})
	_, err := listConversation(t, c)
	for _, secret := range []string{"alice", "+1555", "s3cret", "PageSize", theConversation, "http://"} {
		if strings.Contains(fmt.Sprintf("%v %+v", err, failure(t, err).Problems), secret) {
			t.Errorf("error: got %q, want no %q in it", err, secret)
		}
	}
	diff(t, "problems", failure(t, err).Problems.Error(), "participants[0].messaging_binding.address: string; participants[1].identity: string")
}

func TestCausesAreDescribedInWordsOfOurOwn(t *testing.T) {
	const outside = "alice +15558675310"
	for want, err := range map[string]error{
		"timed out":               &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded},
		"host name not resolved":  &net.DNSError{Err: outside, Name: outside},
		"certificate not trusted": &tls.CertificateVerificationError{Err: errors.New(outside)},
		"connection reset":        &net.OpError{Op: "read", Err: syscall.ECONNRESET},
		"network failure on dial": &net.OpError{Op: "dial", Err: errors.New(outside)},
		"malformed answer":        errors.New(outside),
	} {
		wrapped := &url.Error{Op: "Get", URL: "https://user:pw@host/?PageToken=1", Err: err}
		got := transportError(t.Context(), "list", wrapped)
		diff(t, "error", got.Error(), "list: no whole answer: "+want)
		diff(t, "cause found", errors.Is(got, err), true)
		var withURL *url.Error
		diff(t, "URL found", errors.As(got, &withURL), false)
	}
	diff(t, "no cause", (&Error{Operation: "list", Failure: FailureTransport}).Error(), "list: no whole answer: unknown cause")
}
