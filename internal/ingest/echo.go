package ingest

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// router is all that is known here of Echo: it picks the route and nothing else. Paths match to the letter; a doubled or
// an encoded slash is another path.
func (s *Service) router() http.Handler {
	e := echo.New()
	for _, rt := range routes() {
		e.Any(rt.path, func(c echo.Context) error {
			s.serve(c.Response(), c.Request(), rt)
			return nil
		})
	}
	e.HTTPErrorHandler = func(_ error, c echo.Context) { s.serve(c.Response(), c.Request(), unrouted(c.Path())) }
	return e
}

// unrouted returns the route that has path: Echo matched it, but does not know the request's method. For any other path it
// returns the zero route.
func unrouted(path string) route {
	for _, rt := range routes() {
		if rt.path == path {
			return rt
		}
	}
	return route{}
}
