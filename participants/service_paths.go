package participants

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"

	"github.com/rollcall-events/rollcall/validation"
)

// maxServices bounds what is remembered. A service that was forgotten costs one more request, once.
const maxServices = 1024

// listEither lists at the path that answered last for service and, on a 404, at the other.
func (c *Client) listEither(ctx context.Context, l listing, service validation.SID, plain, below *url.URL) ([]Participant, error) {
	belowFirst := c.services.below(service)
	first, second := plain, below
	if belowFirst {
		first, second = below, plain
	}
	found, firstErr := c.list(ctx, l, first)
	if !isNotFound(firstErr) {
		return found, firstErr
	}
	found, err := c.list(ctx, l, second)
	if err == nil {
		c.services.remember(service, !belowFirst)
	}
	if isNotFound(err) && !belowFirst {
		return nil, firstErr
	}
	return found, err
}

func isNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Failure == FailureStatus && e.Status == http.StatusNotFound
}

// servicePaths remembers the Conversations services whose conversations are found only below the
// service's own path. The plain path is usual and is not remembered. The zero value is ready to use.
type servicePaths struct {
	mu       sync.Mutex
	services map[validation.SID]struct{}
}

// below reports whether service was last found below its own path.
func (s *servicePaths) below(service validation.SID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.services[service]
	return ok
}

// remember notes where the conversations of service were found. When it knows too many services it forgets some.
func (s *servicePaths) remember(service validation.SID, below bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !below {
		delete(s.services, service)
		return
	}
	if s.services == nil {
		s.services = make(map[validation.SID]struct{})
	}
	for other := range s.services {
		if len(s.services) < maxServices {
			break
		}
		delete(s.services, other)
	}
	s.services[service] = struct{}{}
}
