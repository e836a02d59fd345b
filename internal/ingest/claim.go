package ingest

import (
	"bytes"
	"mime"
	"net/http"
	"strings"

	"github.com/rollcall-events/rollcall/validation"
)

// longRequest is a size in bytes, of a URL and the form that is signed with it. Of a request above it, the AccountSid that it names decides
// which keys are tried. Each key that is tried takes a hash of the whole, for each public URL: with a thousand keys one forged
// form of 1 MiB took 1.3 s of a processor. Twilio's webhooks are a few kilobytes.
const longRequest = 16 << 10

// candidates returns those of the keys that may have signed req. Of a long one these are the keys of the account that it says it
// is of, and those of no account. What it says is not verified, but it can only take keys away, and so let
// nothing in that all of them would keep out. So a long one that another account has signed is refused, where a short one
// is a dead letter.
func candidates(req validation.Request, keys []validation.Secret, accounts []validation.SID) (tried []validation.Secret) {
	if len(req.Target)+len(req.Body) <= longRequest {
		return keys
	}
	fields, inBody := fieldsOf(req)
	if !inBody && len(req.Target) <= longRequest { // the body is signed by its hash in the URL
		return keys
	}
	claimed := validation.SID(claim(fields, "AccountSid"))
	for i, key := range keys {
		if accounts[i] == "" || accounts[i] == claimed {
			tried = append(tried, key)
		}
	}
	return tried
}

// fieldsOf returns the fields of req, which are the posted form or else the query.
func fieldsOf(req validation.Request) (fields []byte, inBody bool) {
	if media, _, _ := mime.ParseMediaType(req.ContentType); req.Method == http.MethodPost && media == mediaForm {
		return req.Body, true
	}
	_, query, _ := strings.Cut(req.Target, "?")
	return []byte(query), false
}

// claim returns the first value that fields give for name, or "". It is not decoded: neither an account SID nor the name of a
// type has a character that Twilio would encode.
func claim(fields []byte, name string) string {
	for field := range bytes.SplitSeq(fields, []byte("&")) {
		if key, value, found := bytes.Cut(field, []byte("=")); found && string(key) == name {
			return string(value)
		}
	}
	return ""
}
