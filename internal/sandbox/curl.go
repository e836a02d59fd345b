package sandbox

import (
	"strings"

	"github.com/rollcall-events/rollcall/validation"
)

// curl returns a command for a POSIX shell, one option per line, that sends w and prints the status of the answer.
func curl(w Webhook, target, public string, key validation.Secret) string {
	parts := []string{"curl -sS -X " + w.Method + " " + shellQuote(w.url(target))}
	for _, h := range w.headers(public, key) {
		parts = append(parts, "-H "+shellQuote(h[0]+": "+h[1]))
	}
	if w.Body != nil {
		parts = append(parts, "--data-raw "+shellQuote(string(w.Body)))
	}
	parts = append(parts, `-w 'answered %{http_code}\n'`)
	return strings.Join(parts, " \\\n  ")
}

// shellQuote quotes s for a POSIX shell.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
