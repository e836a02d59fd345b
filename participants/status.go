package participants

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/validation"
)

const (
	maxErrorBody  = 64 << 10
	maxRetryAfter = time.Hour
)

// statusError returns the *Error for an answer with a status other than 2xx. Its body has one of two shapes,
// {code, message, more_info, status} and {code, message, httpStatusCode, params, userError}; without either, only
// Code and Message are missing. Status is that of HTTP, whatever the body says.
func statusError(operation string, resp *http.Response, now time.Time) *Error {
	var said struct {
		Code    json.RawMessage `json:"code"`
		Message json.RawMessage `json:"message"`
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	_ = json.Unmarshal(body, &said)
	return &Error{
		Failure:    FailureStatus,
		Operation:  operation,
		Status:     resp.StatusCode,
		Code:       errorCode(said.Code),
		Message:    errorMessage(said.Message),
		RequestID:  requestID(resp),
		RetryAfter: retryAfter(resp.Header.Get("Retry-After"), now),
	}
}

// errorCode returns the error code that raw holds; 0 if it is not a number of at most six digits.
func errorCode(raw json.RawMessage) int {
	var code int
	if json.Unmarshal(raw, &code) != nil || code < 0 || code > 999_999 {
		return 0
	}
	return code
}

func errorMessage(raw json.RawMessage) string {
	var message string
	if json.Unmarshal(raw, &message) != nil {
		return ""
	}
	return cleanMessage(message)
}

// requestID returns the Twilio-Request-Id of an answer; "" if it is not well formed.
func requestID(resp *http.Response) string {
	id := resp.Header.Get("Twilio-Request-Id")
	if !validation.IsSID(id, validation.PrefixRequest) {
		return ""
	}
	return id
}

// retryAfter reads a Retry-After header: a number of seconds or an HTTP date. It returns 0 for one that is past,
// negative or malformed, and at most maxRetryAfter.
func retryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if date, err := http.ParseTime(header); err == nil {
		return min(max(date.Sub(now), 0), maxRetryAfter)
	}
	if header == "" || strings.Trim(header, "0123456789") != "" {
		return 0
	}
	seconds, err := strconv.Atoi(header)
	if err != nil || seconds > int(maxRetryAfter/time.Second) {
		return maxRetryAfter
	}
	return time.Duration(seconds) * time.Second
}
