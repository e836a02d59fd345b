package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// worldChange changes the world of a fake Twilio.
type worldChange = func(context.Context, func(*sandbox.State)) error

// remoteWorld is the world of a fake Twilio in another process: a copy that is sent there after every change.
type remoteWorld struct {
	base  string // base URL of the fake Twilio; "" for none, so that the copy is all there is
	world *sandbox.World
}

func (r *remoteWorld) change(ctx context.Context, edit func(*sandbox.State)) error {
	r.world.Change(edit)
	return r.put(ctx)
}

func (r *remoteWorld) put(ctx context.Context) error {
	if r.base == "" {
		return nil
	}
	body, err := json.Marshal(r.world.State())
	if err != nil {
		return fmt.Errorf("encode the world: %w", err)
	}
	url := strings.TrimSuffix(r.base, "/") + sandbox.AdminPath + "world"
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("build request to the fake Twilio: %w", err)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	resp, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("put the fake Twilio's world: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("put the fake Twilio's world: answered %d", resp.StatusCode)
	}
	return nil
}
