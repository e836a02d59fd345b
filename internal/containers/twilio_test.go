package containers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// fakeTwilio is a fake Twilio in another process.
type fakeTwilio struct {
	base   string
	client *http.Client
}

// put gives it a world.
func (f fakeTwilio) put(ctx context.Context, world sandbox.State) error {
	body, err := json.Marshal(world)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, f.base+sandbox.AdminPath+"world", bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := f.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		return fmt.Errorf("put the world: got %s, want 204", answer.Status)
	}
	return nil
}

// client is an HTTP client whose connections are closed when the test ends.
func client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}
