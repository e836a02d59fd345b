package ingest

import (
	"log/slog"
	"net/http"

	"github.com/rollcall-events/rollcall/events"
)

// outcome is what became of a webhook: a closed list, shared by answers, log lines and metrics.
type outcome string

const (
	stored     outcome = "stored"      // every event is stored
	buried     outcome = "dead_letter" // genuine, and some or all of it stored as dead letters
	notStored  outcome = "not_stored"  // genuine, and some of it is not stored: Twilio is told so
	lost       outcome = "lost"        // the same, but Twilio is not told: it would refuse the user's own action
	unsigned   outcome = "signature_missing"
	forged     outcome = "signature_mismatch"
	unhashed   outcome = "body_hash_missing"
	altered    outcome = "body_hash_mismatch"
	noRoute    outcome = "no_route"
	wrongPath  outcome = "wrong_path" // no route either, but close to one: somebody told Twilio another URL, or a proxy changes it
	badMethod  outcome = "bad_method"
	badMedia   outcome = "bad_content_type"
	tooLarge   outcome = "body_too_large"
	tooSlow    outcome = "body_too_slow"
	brokenOff  outcome = "body_broken_off" // or not framed as HTTP says
	overloaded outcome = "overloaded"      // too many large bodies at once, or too many that are read
	letBy      outcome = "let_by"          // the same, but a refusal would be one of the user's own action, if it is genuine
	panicked   outcome = "panicked"        // before the signature was checked
)

// verdict is what an outcome means to those outside.
type verdict struct {
	status int
	level  slog.Level // of its log line
}

// verdicts is the table from outcome to answer; status has the one exception.
//
// Twilio refuses the user's own action on any 4xx or 5xx to a pre-action webhook, loses a post-action one
// for good on either, discards an Event Streams event on any 4xx but 429, and sends it again for hours on 5xx.
func verdicts() map[outcome]verdict {
	return map[outcome]verdict{
		stored:     {http.StatusOK, slog.LevelDebug},
		buried:     {http.StatusOK, slog.LevelWarn},
		notStored:  {http.StatusServiceUnavailable, slog.LevelError},
		lost:       {http.StatusOK, slog.LevelError},
		unsigned:   {http.StatusForbidden, slog.LevelWarn},
		forged:     {http.StatusForbidden, slog.LevelWarn},
		unhashed:   {http.StatusForbidden, slog.LevelWarn},
		altered:    {http.StatusForbidden, slog.LevelWarn},
		noRoute:    {http.StatusNotFound, slog.LevelDebug},
		wrongPath:  {http.StatusNotFound, slog.LevelWarn},
		badMethod:  {http.StatusMethodNotAllowed, slog.LevelWarn},
		badMedia:   {http.StatusUnsupportedMediaType, slog.LevelWarn},
		tooLarge:   {http.StatusRequestEntityTooLarge, slog.LevelWarn},
		tooSlow:    {http.StatusRequestTimeout, slog.LevelWarn},
		brokenOff:  {http.StatusBadRequest, slog.LevelWarn},
		overloaded: {http.StatusServiceUnavailable, slog.LevelError},
		letBy:      {http.StatusOK, slog.LevelError},
		panicked:   {http.StatusInternalServerError, slog.LevelError},
	}
}

// status returns what o is answered with on rt: as the table says, but that Event Streams is to send again what did not
// come whole, which on a 4xx it would never do.
func (s *Service) status(rt route, o outcome) int {
	if rt.feed == events.FeedEventStreams && (o == tooSlow || o == brokenOff) {
		return http.StatusServiceUnavailable
	}
	return s.verdicts[o].status
}
