package participants

import (
	"context"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/rollcall-events/rollcall/validation"
)

// answer is a 2xx answer, whole. What it holds has not been looked at.
type answer struct {
	status    int
	requestID string
	body      []byte
}

// broken is the *Error for an answer that was read and cannot be believed.
func (a answer) broken(operation string, problems validation.Problems) error {
	return &Error{Failure: FailureContract, Operation: operation, Status: a.status, RequestID: a.requestID, Problems: problems}
}

// get makes one request. It fails with an *Error.
func (c *Client) get(ctx context.Context, operation string, cred Credentials, target *url.URL) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return answer{}, transportError(ctx, operation, err)
	}
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
	var err error
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, c.maxBody+1))
	if int64(len(a.body)) > c.maxBody {
		failed.Failure = FailureTooLarge
		return answer{}, failed
	}
	if err != nil {
		failed.Failure, failed.Err = FailureTransport, transportCause(ctx, err)
		return answer{}, failed
	}
	return a, nil
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}
