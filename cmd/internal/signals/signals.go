// Package signals is how a command's process is told to end. It is for main functions alone.
package signals

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Context returns a context that the first SIGINT or SIGTERM ends. The second ends the process at once: it is nobody's to
// handle any more, before anything can show that the first has come. The first of also ends the context too, and those that follow it do nothing:
// what is written for a reader that has gone, say, does not stop a process that is cleaning up.
func Context(also ...os.Signal) context.Context {
	ctx, stop := context.WithCancel(context.Background())
	first, other := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(first, os.Interrupt, syscall.SIGTERM)
	if len(also) > 0 { // none would be all
		signal.Notify(other, also...)
	}
	go func() {
		select {
		case <-first:
		case <-other:
		}
		signal.Stop(first)
		stop()
	}()
	return ctx
}
