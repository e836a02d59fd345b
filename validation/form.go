package validation

import (
	"net/url"
	"slices"
	"strings"
)

// signedText returns the text that a signature is of: url and, for a posted form, its pairs. It is false for a
// form that does not decode or has more than maxFields fields.
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

// maxFields bounds what an unverified request can make us decode and sort. Twilio's webhooks have about
// thirty fields.
const maxFields = 4096

type pair struct{ key, value string }

func (p pair) compare(q pair) int {
	if c := strings.Compare(p.key, q.key); c != 0 {
		return c
	}
	return strings.Compare(p.value, q.value)
}

// parseForm decodes body as url.ParseQuery does, except that it takes ";" for an ordinary character:
// ParseQuery refuses it unescaped, but Twilio's own validators do not.
func parseForm(body string) ([]pair, bool) {
	fields := 1 + strings.Count(body, "&")
	if fields > maxFields {
		return nil, false
	}
	pairs := make([]pair, 0, fields) // with empty fields, which add nothing to the signed text
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
