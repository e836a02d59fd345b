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

// Why a webhook is not believed. All of them are answered alike.
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

// Request is what a webhook's signature covers, exactly as it came.
type Request struct {
	Method      string // "POST" or "GET"
	Target      string // the request line's raw target, query included: http.Request.RequestURI
	ContentType string // of the body; what is not a form is signed by its SHA-256
	Signature   string // the X-Twilio-Signature header
	Body        []byte // raw, whole
}

// Verify returns the index in keys of the key that signed r (the first, should one be
// listed twice), or one of the errors above. What was signed, by HMAC-SHA1, is:
//
//   - the public URL, byte for byte: a base URL, with and without its port, and the target;
//   - then, for a form that is posted, its pairs, decoded, without repetitions, in
//     byte order of key and value, each as key and value without delimiters;
//   - any other body through the hash in the URL's bodySHA256 parameter.
//
// So that every byte of r is vouched for, a posted body that is not a form needs
// bodySHA256 even if it is empty, a GET with a body likewise, a hash that is there must
// match on a form too, and a form that does not decode, or has more than 4096 fields, is a mismatch.
// An empty form is signed by its URL alone. An empty key signs nothing.
//
// What the scheme itself cannot tell apart stays so: "a=bc" and "ab=c" are signed alike, and
// a signed request may be sent again. Comparison is in constant time and every key is tried,
// so that time tells how many keys there are and not which one fits.
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

// originForm returns target without the scheme and host of an absolute-form target, which the
// sender chose. What then does not begin a path or a query could turn a base URL into
// one of another host or port, and is refused.
func originForm(target string) (string, bool) {
	if !strings.HasPrefix(target, "/") {
		if _, rest, absolute := strings.Cut(target, "://"); absolute {
			target = rest[indexOr(rest, "/?"):]
		}
	}
	return target, strings.HasPrefix(target, "/") || strings.HasPrefix(target, "?")
}

// indexOr is strings.IndexAny, or the length of s when there is none.
func indexOr(s, chars string) int {
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

// coveredWithoutHash reports whether the URL and the form's pairs are all there is to r.
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
	var sum, spelt []byte // used again for each
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

// appendMAC appends the header's spelling of sum. The spellings are compared, not the bytes: base64
// has several for the same bytes, and only one is Twilio's.
func appendMAC(b, sum []byte) []byte {
	return base64.StdEncoding.AppendEncode(b, sum)
}

func sameHash(hexHash string, body []byte) bool {
	want, err := hex.DecodeString(hexHash)
	sum := sha256.Sum256(body)
	return err == nil && subtle.ConstantTimeCompare(want, sum[:]) == 1
}

// Sign returns the X-Twilio-Signature that Twilio would send with a request to url
// (absolute, query included, without userinfo and fragment; for what is not a form it must already
// carry bodySHA256). It is "" for a form that Verify would not take apart, which
// nobody can sign.
func Sign(key Secret, method, url, contentType string, body []byte) string {
	signed, ok := signedText(url, method, contentType, body)
	if !ok {
		return ""
	}
	mac := hmac.New(sha1.New, []byte(key.Reveal()))
	mac.Write(signed)
	return string(appendMAC(nil, mac.Sum(nil)))
}

// WithBodyHash returns url with bodySHA256 of body appended to its query, as Twilio does for JSON.
func WithBodyHash(url string, body []byte) string {
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	sum := sha256.Sum256(body)
	return url + separator + bodyHashName + "=" + hex.EncodeToString(sum[:])
}
