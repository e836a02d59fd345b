package validation

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// signedPairs returns what a body adds to the signed URL: of a posted form its
// pairs, of anything else nothing. It is false for a form that does not decode or is a flood.
func signedPairs(method, contentType string, body []byte) (string, bool) {
	if method == methodGet || !isForm(contentType) {
		return "", true
	}
	pairs, ok := parseForm(string(body))
	if !ok {
		return "", false
	}
	slices.SortFunc(pairs, pair.compare)
	var signed strings.Builder
	signed.Grow(len(body))
	for _, p := range slices.Compact(pairs) {
		signed.WriteString(p.key)
		signed.WriteString(p.value)
	}
	return signed.String(), true
}

// maxFields bounds what anybody can make us decode and sort before a signature is
// known to be right. Twilio's webhooks have some thirty fields.
const maxFields = 4096

type pair struct{ key, value string }

func (p pair) compare(q pair) int {
	return cmp.Or(strings.Compare(p.key, q.key), strings.Compare(p.value, q.value))
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
