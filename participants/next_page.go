package participants

import (
	"cmp"
	"errors"
	"maps"
	"net/url"
	"strings"
)

// maxNext bounds the length of a link or token to a next page, which goes into a request line.
const maxNext = 4096

var (
	errNextTooLong   = errors.New("its link is too long")
	errNextMalformed = errors.New("its link is malformed")
	errNextForeign   = errors.New("its link leaves the list that was asked for")
)

// followURL returns the query of next, a next_page_url. It must be list itself, with the same scheme, host, port and
// path, so that the query is all that an answer can choose and credentials go nowhere else.
func followURL(list *url.URL, _ url.Values, next string) (url.Values, error) {
	if len(next) > maxNext {
		return nil, errNextTooLong
	}
	u, err := url.Parse(next)
	if err != nil {
		return nil, errNextMalformed
	}
	if !sameOrigin(list, u) || u.User != nil || u.Path != list.Path {
		return nil, errNextForeign
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errNextMalformed
	}
	return query, nil
}

func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	standard := map[string]string{"http": "80", "https": "443"}
	return cmp.Or(u.Port(), standard[strings.ToLower(u.Scheme)])
}

// followToken returns the query of the next page of a v2 list: first with the token added.
func followToken(_ *url.URL, first url.Values, token string) (url.Values, error) {
	if len(token) > maxNext {
		return nil, errNextTooLong
	}
	query := maps.Clone(first)
	query.Set("pageToken", token)
	return query, nil
}
