package enrich

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// An outage has a beginning and an end in the log, and only the beginning is a warning.
func TestAnOutageIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := newHealth("conversations", slog.New(slog.NewTextHandler(&log, nil)))
		for range breakerCalls {
			h.failedFor("CH1", true)
		}
		for range 3 { // tries that fail, and one that does not
			<-time.After(2 * breakerDelay)
			if !h.breaker.TryAcquirePermit() {
				t.Fatal("got no permit, want one call let through")
			}
			h.failedFor("CH1", true)
		}
		<-time.After(2 * breakerDelay)
		h.breaker.TryAcquirePermit()
		h.answered()
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], `level=WARN msg="half of the calls to Twilio's API fail`) || !strings.Contains(lines[1], `level=INFO msg="Twilio's API answers again`) {
			t.Errorf("got log\n%s\nwant one warning, and that it is over", &log)
		}
	})
}
