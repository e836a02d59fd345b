package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rollcall-events/rollcall/events"
)

var errWrongPath = errors.New("the path is no route's (correct the URL that Twilio was told, or the proxy that changes it)")

// result is what became of one webhook, and what may be told of it.
type result struct {
	outcome  outcome
	accepted []events.Event
	rejected []events.DeadLetter
	bytes    int   // of the body, when it was read
	err      error // what went wrong, for the log
}

// failed returns res for something genuine that could not be stored. decides says
// that the answer may decide on a user's own action.
func (res result) failed(err error, decides bool) result {
	res.outcome, res.err = notStored, errors.Join(res.err, err)
	if decides {
		res.outcome = lost
	}
	return res
}

// serve answers one webhook and tells what became of it, exactly once.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, rt route) {
	arrived := s.now()
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()
	ctx, span := s.startSpan(r, rt)
	defer span.End()
	// Of a body that is refused unread, the server itself reads a part before it answers: that too must end.
	// For the next request on the connection it sets a deadline of its own.
	_ = http.NewResponseController(w).SetReadDeadline(arrived.Add(s.cfg.BodyTimeout))

	res := s.handle(ctx, w, r, rt, arrived)
	status := s.status(rt, res.outcome)
	s.answer(w, rt, res.outcome, status)
	s.report(ctx, rt, res, status, s.now().Sub(arrived))
	endSpan(span, res, status)
}

// handle does all but answer. Whatever panics in it is an outcome like the others.
func (s *Service) handle(ctx context.Context, w http.ResponseWriter, r *http.Request, rt route, arrived time.Time) (res result) {
	trusted, turn := false, s.newTurn()
	defer turn.giveBack()
	defer func() {
		if value := recover(); value != nil {
			res.outcome, res.err = panicked, caught(value)
			if trusted {
				res = result{}.failed(res.err, rt.feed == events.FeedConversations)
			}
		}
	}()
	if rt.path == "" {
		return unroutable(r.URL.Path)
	}
	d, refused := s.trust(w, r, rt, arrived, &turn)
	if refused != "" {
		return result{outcome: refused}
	}
	trusted = true
	res = s.deliver(ctx, d, arrived, &turn)
	res.bytes = len(d.Body)
	return res
}

// unroutable returns what becomes of a request to path, which is no route's. It is logged only where somebody means us, and
// without the path, whose letters are a stranger's choice.
func unroutable(path string) result {
	rt, near := closeTo(path)
	switch {
	case !near:
		return result{outcome: noRoute}
	case rt.path == "":
		return result{outcome: wrongPath, err: errWrongPath}
	default:
		return result{outcome: wrongPath, err: fmt.Errorf("%w: it looks like %s, but is another to the letter, as by a slash at the end", errWrongPath, rt.path)}
	}
}

// answer writes status with an empty body: there is nothing that a sender needs to know, and Twilio reads
// the body of an answer to a pre-action webhook as a change to the user's action. The connection ends with it
// unless the request was genuine and is done: a stranger's would wait for the next one in a place that others need.
func (s *Service) answer(w http.ResponseWriter, rt route, o outcome, status int) {
	if status >= http.StatusBadRequest || o == letBy {
		w.Header().Set("Connection", "close")
	}
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", rt.allow())
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}
