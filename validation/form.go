package validation

import (
	"net/url"
	"slices"
	"strings"
)

// signedText returns url and what a body adds to it where both are signed: of a posted form its
// pairs, of anything else nothing. It is false for a form that does not decode or is a flood.
func signedText(url, method, contentType string, body []byte) ([]byte, bool) {
	if method == methodGet || !isForm(contentType) {
		return []byte(url), true
	}
	pairs, ok := parseForm(string(body))
	if !ok {
		return nil, false
	}
	slices.SortFunc(pairs, pair.compare)
	b := append(make([]byte, 0, len(url)+len(body)), url...)
	for _, p := range slices.Compact(pairs) {
		b = append(append(b, p.key...), p.value...)
	}
	return b, true
}

// maxFields bounds what anybody can make us decode and sort before a signature is
// known to be right. Twilio's webhooks have some thirty fields.
const maxFields = 4096

type pair struct{ key, value string }

func (p pair) compare(q pair) int {
	if c := strings.Compare(p.key, q.key); c != 0 {
		return c
	}
	return strings.Compare(p.value, q.value)
}

// parseForm decodes body as url.ParseQuery does, but that ";" is a character like any other.
// (ParseQuery refuses it unescaped; Twilio's own validators do not.)
func parseForm(body string) ([]pair, bool) {
	fields := 1 + strings.Count(body, "&")
	if fields > maxFields {
		return nil, false
	}
	pairs := make([]pair, 0, fields) // empty fields too: they sign as nothing
	for field := range strings.SplitSeq(body, "&") {
		key, value, _ := strings.Cut(field, "=")
		key, keyErr := url.QueryUnescape(key)
		value, valueErr := url.QueryUnescape(value)
		if keyErr != nil || valueErr != nil {
			return nil, false
		}
		pairs = append(pairs, pair{key, value})
	}
	return pairs, true
}
