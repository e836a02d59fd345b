package broker

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// guard returns what read returns. A message that makes it panic is not one of ours either: otherwise it would end every process that comes by
// it, one after the other. What the panic said is not told: it may quote what somebody wrote.
func (c *Conn) guard(read func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			c.metrics.task(turnPanicked)
			c.log.Error("caught a panic: its message is buried as corrupt. Report the stack",
				"panic", fmt.Sprintf("%T", value), "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	return read()
}

// errPanicked is why a message is corrupt that could not even be refused.
var errPanicked = errors.New("decode raw event: the decoder panicked")
