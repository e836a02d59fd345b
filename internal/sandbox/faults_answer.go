package sandbox

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// apply makes f happen to r. Unless it is done, the usual answer to asked must be written to answerTo.
func (f Fault) apply(w http.ResponseWriter, r *http.Request) (answerTo http.ResponseWriter, asked *http.Request, done bool) {
	if !f.wait(r) {
		return w, r, true
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.retryAfter())
	}
	switch {
	case f.Body != "" || f.ContentType != "":
		f.writeBody(w)
		return w, r, true
	case f.status() != 0:
		writeShapedError(w, f.shape(), f.status(), f.code(), http.StatusText(f.status()))
		return w, r, true
	}
	if f.Truncate {
		w = truncated{ResponseWriter: w, caller: r, hang: f.Hang}
	}
	if f.Wrong != "" || f.NextPage != "" {
		w = &edited{ResponseWriter: w, edit: func(body []byte) []byte { return f.edit(r, body) }}
	}
	return w, f.shifted(r), false
}

// wait waits for as long as f says. It is false when the caller has gone.
func (f Fault) wait(r *http.Request) bool {
	if f.Hang && !f.Truncate {
		<-r.Context().Done()
		return false
	}
	if f.Latency <= 0 {
		return true
	}
	timer := time.NewTimer(f.Latency)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// retryAfter returns the header. A date is rounded up to a whole second, so that it is never too soon.
func (f Fault) retryAfter() string {
	away, ok := strings.CutPrefix(f.RetryAfter, "+")
	d, err := time.ParseDuration(away)
	if !ok || err != nil {
		return f.RetryAfter
	}
	return time.Now().Add(d + time.Second - time.Nanosecond).UTC().Format(http.TimeFormat)
}

func (f Fault) writeBody(w http.ResponseWriter) {
	contentType, status := f.ContentType, f.status()
	if contentType == "" {
		contentType = jsonType
	}
	if status == 0 {
		status = http.StatusOK
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write([]byte(f.Body)) // it fails only if the caller has gone
}

// status returns the status to answer with; 0 for the usual answer.
func (f Fault) status() int {
	if f.Status == 0 && f.Concurrency > 0 {
		return http.StatusTooManyRequests
	}
	return f.Status
}

func (f Fault) shape() errorShape {
	if f.Standard {
		return shapeStandard
	}
	return shapePlain
}

func (f Fault) code() int {
	if f.Code != 0 {
		return f.Code
	}
	switch f.status() {
	case http.StatusUnauthorized, http.StatusForbidden:
		return codeAuthenticate
	case http.StatusNotFound:
		return codeNotFound
	case http.StatusTooManyRequests:
		return codeTooMany
	case http.StatusServiceUnavailable:
		return codeUnavailable
	case http.StatusInternalServerError:
		return codeServer
	}
	return codeInvalidParameter
}

// truncated announces a whole body, sends half of it, and then cuts the connection or leaves the caller waiting.
type truncated struct {
	http.ResponseWriter
	caller *http.Request
	hang   bool
}

func (t truncated) Write(b []byte) (int, error) {
	t.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = t.ResponseWriter.Write(b[:len(b)/2])
	if f, ok := t.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
	if t.hang {
		<-t.caller.Context().Done()
	}
	panic(http.ErrAbortHandler)
}

// WriteHeader is left to Write, which knows the length.
func (t truncated) WriteHeader(int) {}
