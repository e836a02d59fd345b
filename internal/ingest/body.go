package ingest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// A webhook is a few kilobytes. Bodies up to smallBody are read as they come; of larger ones no more than
// maxLargeBodies are in memory at once. Headers take up to 20 times their size, when they are many and short. So
// what unsigned strangers can make us hold is bounded by maxLargeBodies * Config.MaxBody +
// Config.MaxConnections * (smallBody + 20 * maxHeaderBytes): with the defaults 736 MiB, of which headers are 640. What reading
// a form takes comes on top, for as many as are read at once.
const (
	smallBody      = 64 << 10
	maxLargeBodies = 32
	// usualBody is the most memory that is set aside because a sender announces it, before a byte has come.
	usualBody = 8 << 10
)

// readBody returns r's body, whole, or why it cannot be had by deadline.
func (s *Service) readBody(w http.ResponseWriter, r *http.Request, deadline time.Time, large *room) (body []byte, refused outcome) {
	if r.ContentLength > s.cfg.MaxBody {
		return nil, tooLarge
	}
	var buf bytes.Buffer
	buf.Grow(int(min(max(r.ContentLength, 0), usualBody)) + bytes.MinRead) // what ReadFrom wants free to see the end
	limited := http.MaxBytesReader(w, r.Body, s.cfg.MaxBody)
	_, err := buf.ReadFrom(io.LimitReader(limited, smallBody))
	if err == nil && buf.Len() == smallBody {
		if !large.take(deadline) {
			return nil, overloaded
		}
		_, err = buf.ReadFrom(limited)
	}
	if err != nil {
		return nil, bodyOutcome(err)
	}
	return buf.Bytes(), ""
}

// room is one request's slot of a semaphore, taken or not.
type room struct {
	all   chan struct{}
	taken bool
}

// take waits for a slot until deadline, and reports whether it has one. A free slot is taken even after the deadline.
func (r *room) take(deadline time.Time) bool {
	select {
	case r.all <- struct{}{}:
		r.taken = true
		return true
	default:
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case r.all <- struct{}{}:
		r.taken = true
	case <-timer.C:
	}
	return r.taken
}

// giveBack may be called more than once.
func (r *room) giveBack() {
	if r.taken {
		<-r.all
		r.taken = false
	}
}

func bodyOutcome(err error) outcome {
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return tooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return tooSlow
	default:
		return brokenOff
	}
}
