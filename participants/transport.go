package participants

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

// newHTTPClient returns the default client.
func newHTTPClient(idleConns int) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Client{Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    idleConns, // net/http's default of 2 would dial anew for most concurrent calls
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
	}}
}

// requestTimeout is a backstop for requests with the default client whose context has no deadline.
const requestTimeout = 30 * time.Second

// bounded returns ctx with a deadline: its own, which http.Client.Timeout would cut short, or the backstop.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, requestTimeout)
}

// withoutRedirects returns a copy of client that returns a redirect as the answer and
// keeps no cookies: credentials and state stay with the host and the call that they belong to.
func withoutRedirects(client *http.Client) *http.Client {
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Jar = nil
	return &c
}

// transportError returns the *Error for a request without an answer.
func transportError(ctx context.Context, operation string, err error) *Error {
	return &Error{Failure: FailureTransport, Operation: operation, Err: transportCause(ctx, err)}
}

// cause is why there was no answer, in words of our own: net/http's errors quote the URL and, for a malformed
// answer, what the server sent. errors.Is and errors.As still find the error itself.
type cause struct {
	text string
	err  error
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.err }

// transportCause describes err. It adds the context's error, if there is one: net/http may return the cause of a
// cancellation instead.
func transportCause(ctx context.Context, err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = errors.Join(ctx.Err(), err)
	}
	return &cause{text: describe(err), err: err}
}

func describe(err error) string {
	var (
		timeout     net.Error
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		op          *net.OpError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded.Error()
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timed out"
	case errors.As(err, &dns):
		return "host name not resolved"
	case errors.As(err, &certificate):
		return "certificate not trusted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "cut short"
	case errors.As(err, &op):
		return "network failure on " + op.Op
	}
	return "malformed answer"
}
