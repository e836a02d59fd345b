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
// maxLargeBodies are in memory at once, so that what unsigned strangers can make us
// hold is bounded by maxLargeBodies * Config.MaxBody + Config.MaxConnections * smallBody.
const (
	smallBody      = 64 << 10
	maxLargeBodies = 32
)

// readBody returns r's body, whole, or why it cannot be had by deadline.
func (s *Service) readBody(w http.ResponseWriter, r *http.Request, deadline time.Time, room *room) (body []byte, refused outcome) {
	if r.ContentLength > s.cfg.MaxBody {
		return nil, tooLarge
	}
	var buf bytes.Buffer
	limited := http.MaxBytesReader(w, r.Body, s.cfg.MaxBody)
	_, err := buf.ReadFrom(io.LimitReader(limited, smallBody))
	if err == nil && buf.Len() == smallBody {
		if !room.take(deadline) {
			return nil, overloaded
		}
		_, err = buf.ReadFrom(limited)
	}
	if err != nil {
		return nil, bodyOutcome(err)
	}
	return buf.Bytes(), ""
}

// room is one request's share of the room for large bodies.
type room struct {
	all   chan struct{}
	taken bool
}

// take waits until deadline for room for one more large body.
func (r *room) take(deadline time.Time) bool {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case r.all <- struct{}{}:
		r.taken = true
	case <-timer.C:
	}
	return r.taken
}

func (r *room) giveBack() {
	if r.taken {
		<-r.all
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
