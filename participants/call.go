package participants

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/rollcall-events/rollcall/validation"
)

// answer is a 2xx answer, whole. What it holds has not been looked at. Its body is there until release is called.
type answer struct {
	status    int
	requestID string
	body      []byte
	memory    *bytes.Buffer // of body
}

// bodies is memory for answers, which are decoded into copies and thrown away: a full list has hundreds of kilobytes.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// keptBody bounds what is kept for the next answer.
const keptBody = 256 << 10

func newBody() *bytes.Buffer {
	b, _ := bodies.Get().(*bytes.Buffer) // nothing else is put there
	b.Reset()
	return b
}

func release(b *bytes.Buffer) {
	if b != nil && b.Cap() <= keptBody {
		bodies.Put(b)
	}
}

func (a answer) release() { release(a.memory) }

// broken is the *Error for an answer that was read and cannot be believed.
func (a answer) broken(operation string, problems validation.Problems) error {
	return &Error{Failure: FailureContract, Operation: operation, Status: a.status, RequestID: a.requestID, Problems: problems}
}

// get makes one request. It fails with an *Error.
func (c *Client) get(ctx context.Context, operation string, cred Credentials, target *url.URL) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "", http.NoBody)
	if err != nil {
		return answer{}, transportError(ctx, operation, err)
	}
	req.URL, req.Host = target, target.Host // no need to write it out and read it again
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	req.SetBasicAuth(cred.Username, cred.Password.Reveal())

	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, transportError(ctx, operation, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return answer{}, statusError(operation, resp, c.now())
	}
	return c.readBody(ctx, operation, resp)
}

// readBody reads what a 2xx answer holds. The limit applies to what the body decompresses to.
func (c *Client) readBody(ctx context.Context, operation string, resp *http.Response) (answer, error) {
	a := answer{status: resp.StatusCode, requestID: requestID(resp)}
	if !isJSON(resp.Header.Get("Content-Type")) {
		return answer{}, a.broken(operation, validation.Problems{{Field: "Content-Type", Rule: "json"}})
	}
	failed := &Error{Operation: operation, Status: a.status, RequestID: a.requestID}
	a.memory = newBody()
	_, err := a.memory.ReadFrom(io.LimitReader(resp.Body, c.maxBody+1))
	a.body = a.memory.Bytes()
	if int64(len(a.body)) > c.maxBody {
		a.release()
		failed.Failure = FailureTooLarge
		return answer{}, failed
	}
	if err != nil {
		a.release()
		failed.Failure, failed.Err = FailureTransport, transportCause(ctx, err)
		return answer{}, failed
	}
	return a, nil
}

func isJSON(contentType string) bool {
	if contentType == "application/json" || contentType == "application/json; charset=utf-8" { // as a rule
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}
