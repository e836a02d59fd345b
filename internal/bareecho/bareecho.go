// Package bareecho owns the least that a web service on Echo can do: answer. It is what ingest is measured against, in a process
// of its own, and knows nothing of webhooks.
package bareecho

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// Serve answers every POST with 200 and an empty body until ctx is done. It closes l.
func Serve(ctx context.Context, l net.Listener) error {
	e := echo.New()
	e.POST("/*", func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	server := &http.Server{Handler: e, ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(l); ctx.Err() == nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
