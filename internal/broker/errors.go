package broker

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrDone says that the task's event is done already, here or elsewhere: the task has been
// acknowledged and is to be forgotten. It has a method Done() bool that returns true.
var ErrDone error = doneError("the event is done already")

// ErrLapsed says that the task was not extended in time, so that another process may have it, or that the consumer that it
// came from was deleted: it is to be forgotten, and what is not done of it is delivered again. It too has a method Done() bool
// that returns true.
var ErrLapsed error = doneError("the hold on the task has lapsed")

// ErrEarly says that the server delivered the task before the leader of QUEUE had stored it: it is to be forgotten, and is
// delivered again. It too has a method Done() bool that returns true.
var ErrEarly error = doneError("the leader of QUEUE has not stored the task yet")

// ErrNotHead says that an event before this one on its key is not done yet.
var ErrNotHead = errors.New("an earlier event on the key is not done yet")

// ErrFenced says that somebody else published on the key since its checkpoint was read.
var ErrFenced = errors.New("the key's checkpoint has moved")

type doneError string

func (e doneError) Error() string { return string(e) }

// Done reports that the task needs nothing more.
func (e doneError) Done() bool { return true }

// TooLargeError says that a message exceeds what the server takes.
type TooLargeError struct {
	Size  int64 // bytes, headers included
	Limit int64 // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("a message of %d bytes exceeds the limit of %d bytes", e.Size, e.Limit)
}

// TooLarge reports that trying again does not help.
func (e *TooLargeError) TooLarge() bool { return true }

// DriftError says that a stream or consumer is there with another shape than was asked for. Waiting does not help.
type DriftError struct {
	what    string
	differs []string
}

func (e *DriftError) Error() string {
	return fmt.Sprintf("%s is not as asked and was left alone: %s; ask for what is there, or change it with the nats CLI (what it holds stays only where that says so)",
		e.what, strings.Join(e.differs, "; "))
}

// apiCode is the error code of a refusal by JetStream, 0 for any other error.
func apiCode(err error) jetstream.ErrorCode {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.ErrorCode
	}
	return 0
}

func isFenced(err error) bool {
	code := apiCode(err)
	return code == jetstream.JSErrCodeStreamWrongLastSequence || code == jetstream.JSErrCodeStreamWrongLastSequenceConstant
}

func isTooLarge(err error) bool {
	var tooLarge *TooLargeError
	return errors.As(err, &tooLarge) || errors.Is(err, nats.ErrMaxPayload) ||
		apiCode(err) == jetstream.JSErrCodeStreamMessageExceedsMaximum
}

// isGone reports whether what err is about does not exist, so that waiting alone does not help.
func isGone(err error) bool {
	return errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrConsumerDoesNotExist) ||
		errors.Is(err, jetstream.ErrConsumerDeleted) || errors.Is(err, jetstream.ErrStreamNotFound)
}
