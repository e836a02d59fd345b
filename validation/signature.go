package validation

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio's scheme; HMAC does not rest on collisions
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// Why Verify does not believe a request. To the sender, the answer should be the same for all of them.
var (
	ErrSignatureMissing  = errors.New("no X-Twilio-Signature header")
	ErrSignatureMismatch = errors.New("signature matches no configured key and public URL")
	ErrBodyHashMissing   = errors.New("body is no form, and no bodySHA256 in the query covers it")
	ErrBodyHashMismatch  = errors.New("body does not match bodySHA256")
)

const (
	methodGet    = "GET"
	mediaForm    = "application/x-www-form-urlencoded"
	bodyHashName = "bodySHA256"
)

// Request is a webhook request and its signature, exactly as received.
type Request struct {
	Method      string // "POST" or "GET"
	Target      string // the request line's raw target, query included: http.Request.RequestURI
	ContentType string // the Content-Type header: it tells a form from any other body
	Signature   string // the X-Twilio-Signature header
	Body        []byte // raw and complete
}

// Verify returns the index in keys of the key that signed r (the first, if it is listed twice). The error is
// ErrSignatureMissing, ErrSignatureMismatch, ErrBodyHashMissing or ErrBodyHashMismatch.
//
// The scheme is that of https://www.twilio.com/docs/usage/security. The signature is an HMAC-SHA1 of:
//
//   - the public URL, byte for byte: a base URL, with or without its port, and the target;
//   - for a posted form, then its decoded pairs, each once, sorted bytewise by key and value, and joined
//     without delimiters.
//
// Any other body is covered by its SHA-256 in the URL's bodySHA256 parameter. So that every byte of r is covered:
//
//   - a posted body that is not a form needs bodySHA256, even if it is empty, and so does the body of a GET;
//   - a bodySHA256 on a form must match, too;
//   - a form that does not decode, or has more than 4096 fields, is a mismatch.
//
// An empty form is signed by its URL alone. An empty key matches nothing.
//
// Two limits are the scheme's own: "a=bc" and "ab=c" have the same signature, and a signed request can be
// replayed. Signatures are compared in constant time and every key is tried, so that timing tells how
// many keys there are, but not which one matches.
func (v *Verifier) Verify(r Request, keys []Secret) (int, error) {
	if r.Signature == "" {
		return 0, ErrSignatureMissing
	}
	path, ok := originForm(r.Target)
	if !ok {
		return 0, ErrSignatureMismatch
	}
	hash, hashed := bodyHash(path)
	if !hashed && !coveredWithoutHash(r) {
		return 0, ErrBodyHashMissing
	}
	tail, ok := signedText(path, r.Method, r.ContentType, r.Body)
	if !ok {
		return 0, ErrSignatureMismatch
	}
	signer := v.signer(r.Signature, tail, keys)
	if signer < 0 {
		return 0, ErrSignatureMismatch
	}
	if hashed && !sameHash(hash, r.Body) {
		return 0, ErrBodyHashMismatch
	}
	return signer, nil
}

// originForm returns target without the scheme and host that an absolute-form target has, which the
// sender chose. It refuses what does not then begin with a path or a query: joined to a base URL it could
// make a URL of another host or port.
func originForm(target string) (string, bool) {
	if !strings.HasPrefix(target, "/") {
		if _, rest, absolute := strings.Cut(target, "://"); absolute {
			target = rest[indexAnyOrLen(rest, "/?"):]
		}
	}
	return target, strings.HasPrefix(target, "/") || strings.HasPrefix(target, "?")
}

// indexAnyOrLen is strings.IndexAny, but the length of s when there is none.
func indexAnyOrLen(s, chars string) int {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return i
	}
	return len(s)
}

// bodyHash returns the last bodySHA256 in target's query: Twilio appends its own.
func bodyHash(target string) (hash string, found bool) {
	_, query, _ := strings.Cut(target, "?")
	for parameter := range strings.SplitSeq(query, "&") {
		if name, value, ok := strings.Cut(parameter, "="); ok && name == bodyHashName {
			hash, found = value, true
		}
	}
	return hash, found
}

// coveredWithoutHash reports whether the URL and the pairs of a posted form are all there is in r.
func coveredWithoutHash(r Request) bool {
	if r.Method == methodGet {
		return len(r.Body) == 0
	}
	return isForm(r.ContentType)
}

func isForm(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), mediaForm)
}

// signer returns the index of the first key that signed some base URL followed by tail, or -1.
func (v *Verifier) signer(signature string, tail []byte, keys []Secret) int {
	want := []byte(signature)
	var sum, spelt []byte // reused
	signer := -1
	for i, key := range keys {
		if key.IsZero() {
			continue
		}
		mac := hmac.New(sha1.New, []byte(key.Reveal()))
		for _, base := range v.bases {
			mac.Reset()
			mac.Write(base)
			mac.Write(tail)
			sum = mac.Sum(sum[:0])
			spelt = appendMAC(spelt[:0], sum)
			match := subtle.ConstantTimeCompare(spelt, want)
			first := match & subtle.ConstantTimeEq(int32(signer), -1)
			signer = subtle.ConstantTimeSelect(first, i, signer)
		}
	}
	return signer
}

// appendMAC appends sum as the header spells it. Spellings are compared, not bytes: base64 has
// several for the same bytes, and Twilio uses one.
func appendMAC(b, sum []byte) []byte {
	return base64.StdEncoding.AppendEncode(b, sum)
}

func sameHash(hexHash string, body []byte) bool {
	want, err := hex.DecodeString(hexHash)
	sum := sha256.Sum256(body)
	return err == nil && subtle.ConstantTimeCompare(want, sum[:]) == 1
}

// Sign returns the X-Twilio-Signature that Twilio would send with a request, for tests of webhook targets.
// url is absolute, with its query and without userinfo and fragment; for a body that is not a form it must
// already have bodySHA256 (see WithBodyHash). For a form that Verify refuses to decode it returns "".
func Sign(key Secret, method, url, contentType string, body []byte) string {
	signed, ok := signedText(url, method, contentType, body)
	if !ok {
		return ""
	}
	mac := hmac.New(sha1.New, []byte(key.Reveal()))
	mac.Write(signed)
	return string(appendMAC(nil, mac.Sum(nil)))
}

// WithBodyHash returns url with the bodySHA256 of body appended to its query, as Twilio does for JSON.
func WithBodyHash(url string, body []byte) string {
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	sum := sha256.Sum256(body)
	return url + separator + bodyHashName + "=" + hex.EncodeToString(sum[:])
}
