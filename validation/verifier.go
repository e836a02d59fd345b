package validation

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Verifier checks webhook signatures against a list of public base URLs.
// It is safe for concurrent use.
type Verifier struct {
	bases [][]byte // what may stand before the target in a signed URL: each base URL with and without its port, without repetitions
}

// NewVerifier returns a Verifier for the public base URLs that Twilio was configured with: what comes
// before the request's target in the URL that Twilio calls. That is "https://hooks.example.com" or, when a proxy
// strips a path, "https://hooks.example.com/path"; a trailing slash is ignored. Each must be http
// or https, without query, fragment or userinfo (Twilio signs the URL without it). The error names every
// URL that is not, by its place in the list.
func NewVerifier(publicURLs []string) (*Verifier, error) {
	if len(publicURLs) == 0 {
		return nil, errors.New("no public URL")
	}
	var v Verifier
	var problems []error
	for i, raw := range publicURLs {
		base, err := parseBase(raw)
		if err != nil {
			problems = append(problems, fmt.Errorf("public URL %d of %d: %w", i+1, len(publicURLs), err))
			continue
		}
		v.add(base.with)
		v.add(base.without)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return &v, nil
}

func (v *Verifier) add(base string) {
	if !slices.ContainsFunc(v.bases, func(b []byte) bool { return bytes.Equal(b, []byte(base)) }) {
		v.bases = append(v.bases, []byte(base))
	}
}

// base is one public URL in the two spellings that Twilio may sign. It documents which one it uses for voice and
// SMS, but not for Conversations.
type base struct{ with, without string }

// parseBase checks raw and spells it with and without its port, with every other byte as given.
// Its errors do not quote raw, which may hold a password by mistake.
func parseBase(raw string) (base, error) {
	raw = strings.TrimRight(raw, "/")
	u, err := url.Parse(raw)
	if err != nil {
		return base{}, errors.New("not a URL")
	}
	if err := checkBase(raw, u); err != nil {
		return base{}, err
	}
	scheme, rest, _ := strings.Cut(raw, "://")
	authority, path := rest[:indexAnyOrLen(rest, "/")], rest[indexAnyOrLen(rest, "/"):]
	without := strings.TrimSuffix(authority, ":"+u.Port())
	with := authority
	if u.Port() == "" {
		with = authority + ":" + defaultPort(u.Scheme)
	}
	return base{with: scheme + "://" + with + path, without: scheme + "://" + without + path}, nil
}

func checkBase(raw string, u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("must begin with https:// or http://")
	case u.User != nil:
		return errors.New("must not have a user name or password: Twilio signs the URL without them")
	case u.Hostname() == "":
		return errors.New("has no host")
	case strings.HasSuffix(u.Host, ":") || !validPort(u.Port()):
		return errors.New("port must be 1 to 65535")
	case strings.ContainsAny(raw, "?#"):
		return errors.New("must not have a query or a fragment")
	}
	return nil
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

func defaultPort(scheme string) string {
	if scheme == "http" {
		return "80"
	}
	return "443"
}
