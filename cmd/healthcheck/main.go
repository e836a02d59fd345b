// Command healthcheck asks a URL once and says by its exit code whether the answer
// was 2xx: the health check of images that hold no shell.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// timeout bounds the whole check, so that a hanging server is an unhealthy one.
const timeout = 4 * time.Second

func main() {
	os.Exit(exitCode(run(context.Background(), os.Args[1:], os.Stdout), os.Stderr))
}

// exitCode is 0 without an error; else it tells err in one line and is 1, the one
// code for "unhealthy" that Docker defines.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "healthcheck:", err)
	return 1
}

const usage = "usage: healthcheck URL"

// run asks the one URL in args. A redirect is not followed: it is no 2xx.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
		fmt.Fprintln(stdout, usage+"\nAsks the URL once. The exit code is 0 when the answer is 2xx, else 1.")
		return nil
	}
	if len(args) != 1 || strings.HasPrefix(args[0], "-") {
		return errors.New(usage)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, args[0], nil)
	if err != nil {
		return fmt.Errorf("read the URL: %w", err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("ask %s: %w", req.URL.Redacted(), err)
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("ask %s: got %s", req.URL.Redacted(), res.Status)
	}
	return nil
}
