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

// answer is a complete 2xx answer, not yet decoded. Its body is valid until release is called.
type answer struct {
	status    int
	requestID string
	body      []byte
	memory    *bytes.Buffer // that holds body
}

// bodies pools memory for bodies, which are decoded into copies: that of a full list takes hundreds of kilobytes.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// keptBody is the capacity up to which a buffer goes back to the pool.
const keptBody = 256 << 10

func newBody() *bytes.Buffer {
	b, _ := bodies.Get().(*bytes.Buffer) // it holds nothing else
	b.Reset()
	return b
}

func release(b *bytes.Buffer) {
	if b != nil && b.Cap() <= keptBody {
		bodies.Put(b)
	}
}

func (a answer) release() { release(a.memory) }

// broken returns the *Error for an answer that departs from its API's documentation.
func (a answer) broken(operation string, problems validation.Problems) error {
	return &Error{Failure: FailureContract, Operation: operation, Status: a.status, RequestID: a.requestID, Problems: problems}
}

// get makes one request. It fails with an *Error.
func (c *Client) get(ctx context.Context, operation string, cred Credentials, target *url.URL) (answer, error) {
	if !c.ownTimeouts {
		var cancel context.CancelFunc
		ctx, cancel = bounded(ctx)
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "", http.NoBody)
	if err != nil {
		return answer{}, transportError(ctx, operation, err)
	}
	req.URL, req.Host = target, target.Host // rather than formatted and parsed again
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

// readBody reads the body of a 2xx answer. The limit applies to the decompressed size.
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
	if contentType == "application/json" || contentType == "application/json; charset=utf-8" { // the usual ones, without the cost of parsing
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}
