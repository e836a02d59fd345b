package validation_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/validation"
)

// Which spellings of a request to /p each public URL stands for, and some that it does not.
func TestPublicURLs(t *testing.T) {
	for base, c := range map[string]struct{ signed, foreign []string }{
		"https://h":             {[]string{"https://h/p", "https://h:443/p"}, []string{"https://h:80/p", "http://h/p", "https://h//p", "https://H/p"}},
		"https://h/":            {[]string{"https://h/p", "https://h:443/p"}, []string{"https://h//p"}},
		"https://h:443":         {[]string{"https://h/p", "https://h:443/p"}, []string{"https://h:8443/p"}},
		"https://h:8443":        {[]string{"https://h:8443/p", "https://h/p"}, []string{"https://h:443/p"}},
		"http://h":              {[]string{"http://h/p", "http://h:80/p"}, []string{"http://h:443/p", "https://h/p"}},
		"https://h/twilio":      {[]string{"https://h/twilio/p", "https://h:443/twilio/p"}, []string{"https://h/p"}},
		"https://h:8443/a%2Fb":  {[]string{"https://h:8443/a%2Fb/p", "https://h/a%2Fb/p"}, []string{"https://h:8443/a/b/p"}},
		"https://[::1]":         {[]string{"https://[::1]/p", "https://[::1]:443/p"}, nil},
		"https://[::1]:8443":    {[]string{"https://[::1]:8443/p", "https://[::1]/p"}, []string{"https://[:/p"}},
		"HTTPS://Hooks.Example": {[]string{"HTTPS://Hooks.Example/p", "HTTPS://Hooks.Example:443/p"}, []string{"https://hooks.example/p"}},
	} {
		for _, signed := range c.signed {
			wantVerified(t, []string{base}, validation.Request{Method: "GET", Target: "/p", Signature: hmacSHA1(signed)})
		}
		for _, foreign := range c.foreign {
			if _, err := verify(t, []string{base}, validation.Request{Method: "GET", Target: "/p", Signature: hmacSHA1(foreign)}, vectorToken); !errors.Is(err, validation.ErrSignatureMismatch) {
				t.Errorf("%s as %s: got %v, want %v", foreign, base, err, validation.ErrSignatureMismatch)
			}
		}
	}
}

func TestSeveralPublicURLs(t *testing.T) {
	bases := []string{"https://a", "https://a:443", "https://b/x"}
	for _, signed := range []string{"https://a/p", "https://a:443/p", "https://b/x/p"} {
		wantVerified(t, bases, validation.Request{Method: "GET", Target: "/p", Signature: hmacSHA1(signed)})
	}
}

func TestBadPublicURLs(t *testing.T) {
	for raw, want := range map[string]string{
		"":                    "must begin with",
		"hooks.example.com":   "must begin with",
		"//hooks.example.com": "must begin with",
		"ftp://h":             "must begin with",
		"/path":               "must begin with",
		"https://":            "has no host",
		"https:///p":          "has no host",
		"https://:443":        "has no host",
		"https:h":             "has no host",
		"https://u@h":         "user name or password",
		"https://u:hunter2@h": "user name or password",
		"https://h:":          "port must be",
		"https://h:0":         "port must be",
		"https://h:65536":     "port must be",
		"https://h:hunter2":   "not a URL",
		"https://h/%zz":       "not a URL",
		"https://[::1":        "not a URL",
		"https://h/\x7f":      "not a URL",
		" https://h":          "not a URL",
		"https://h?":          "query or a fragment",
		"https://h?a=hunter2": "query or a fragment",
		"https://h#":          "query or a fragment",
		"https://h/p#hunter2": "query or a fragment",
	} {
		_, err := validation.NewVerifier([]string{"https://right", raw})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "public URL 2 of 2: ") {
			t.Errorf("%q: got %v, want public URL 2 of 2: …%s…", raw, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error carries a part of it: %v", raw, err)
		}
	}
}

func TestBadPublicURLsAllAtOnce(t *testing.T) {
	_, err := validation.NewVerifier([]string{"ftp://h", "https://h", "https://h?q"})
	if err == nil || !strings.Contains(err.Error(), "1 of 3") || !strings.Contains(err.Error(), "3 of 3") || strings.Contains(err.Error(), "2 of 3") {
		t.Errorf("got %v, want the first and the third", err)
	}
}

func TestNoPublicURL(t *testing.T) {
	if v, err := validation.NewVerifier(nil); v != nil || err == nil {
		t.Errorf("got %v and %v, want an error", v, err)
	}
}
