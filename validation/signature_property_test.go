package validation_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-events/rollcall/validation"
)

// signedForm is what a form adds to the signed URL, told in another way than the package's: by the
// standard library, sets and sorting. False: it does not decode.
func signedForm(body string) (string, bool) {
	values, err := url.ParseQuery(strings.ReplaceAll(body, ";", "%3B"))
	if err != nil {
		return "", false
	}
	var signed strings.Builder
	for _, key := range slices.Sorted(maps.Keys(values)) {
		unique := make(map[string]bool)
		for _, value := range values[key] {
			unique[value] = true
		}
		for _, value := range slices.Sorted(maps.Keys(unique)) {
			signed.WriteString(key + value)
		}
	}
	return signed.String(), true
}

// webhook draws a request that Twilio could send to base, signed with key.
func webhook(t *rapid.T, base string, key validation.Secret) validation.Request {
	r := validation.Request{
		Method: rapid.SampledFrom([]string{http.MethodPost, http.MethodGet}).Draw(t, "method"),
		Target: "/" + rapid.StringMatching(`[a-z%2F/]{0,12}(\?[a-zA-Z0-9=&;+%'"@:é]{0,20})?`).Draw(t, "target"),
	}
	if r.Method == http.MethodPost {
		r.ContentType = rapid.SampledFrom([]string{form, text}).Draw(t, "content type")
	}
	switch r.ContentType {
	case form:
		r.Body = []byte(encodePairs(drawPairs(t)))
	case text:
		r.Body = rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		r.Target = validation.WithBodyHash(r.Target, r.Body)
	}
	r.Signature = validation.Sign(key, r.Method, base+r.Target, r.ContentType, r.Body)
	return r
}

func drawPairs(t *rapid.T) [][2]string {
	word := rapid.OneOf(rapid.StringMatching(`[ab]{0,2}`), rapid.StringMatching(`[a-zA-Z .;&=+%]{0,8}`), rapid.String())
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [2]string {
		return [2]string{word.Draw(t, "key"), word.Draw(t, "value")}
	}), 0, 8).Draw(t, "pairs")
}

func encodePairs(pairs [][2]string) string {
	fields := make([]string, len(pairs))
	for i, p := range pairs {
		fields[i] = url.QueryEscape(p[0]) + "=" + url.QueryEscape(p[1])
	}
	return strings.Join(fields, "&")
}

func drawVerifier(t *rapid.T) (*validation.Verifier, string) {
	base := rapid.SampledFrom([]string{"https://h", "https://h:443", "http://h:8080/prefix", "https://[2001:db8::1]:8443"}).Draw(t, "base")
	v, err := validation.NewVerifier([]string{"https://another", base})
	if err != nil {
		t.Fatal(err)
	}
	return v, base
}

// drawKey draws keys without NUL: HMAC pads with it, and "k" and "k\x00" are one key.
func drawKey() *rapid.Generator[string] { return rapid.StringMatching(`[!-~]{1,80}`) }

func TestSignedThenVerified(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, base := drawVerifier(t)
		keys := secrets(rapid.SliceOfNDistinct(drawKey(), 1, 4, rapid.ID).Draw(t, "keys")...)
		signer := rapid.IntRange(0, len(keys)-1).Draw(t, "signer")
		r := webhook(t, base, keys[signer])
		if got, err := v.Verify(r, keys); got != signer || err != nil {
			t.Fatalf("got %d and %v, want %d", got, err, signer)
		}
	})
}

// One byte that differs, in any place but a form's body, never passes: see
// TestOneByteOfAForm for that.
func TestOneByteChangedIsRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, base := drawVerifier(t)
		key := drawKey().Draw(t, "key")
		r := webhook(t, base, validation.NewSecret(key))
		parts := []string{"signature", "target", "key"}
		if r.ContentType != form && len(r.Body) > 0 {
			parts = append(parts, "body")
		}
		switch rapid.SampledFrom(parts).Draw(t, "part") {
		case "signature":
			r.Signature = string(changeByte(t, []byte(r.Signature)))
		case "target":
			r.Target = string(changeByte(t, []byte(r.Target)))
		case "key":
			key = string(changeByte(t, []byte(key)))
		case "body":
			r.Body = changeByte(t, r.Body)
		}
		if _, err := v.Verify(r, secrets(key)); err == nil {
			t.Fatalf("got it verified, want it refused: %+v", r)
		}
	})
}

// A form is signed by its decoded pairs, sorted, each once, without delimiters. So a changed
// byte passes exactly when what is signed stays the same: "%2b" for "%2B", say, or
// "a=&&=" for "a=&a=". That is Twilio's scheme, and all that its own validators can hold too.
func TestOneByteOfAForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, base := drawVerifier(t)
		keys := secrets(vectorToken)
		r := validation.Request{Method: http.MethodPost, Target: "/p", ContentType: form, Body: []byte(encodePairs(drawPairs(t)))}
		if len(r.Body) == 0 {
			t.Skip("no byte to change")
		}
		r.Signature = validation.Sign(keys[0], r.Method, base+r.Target, form, r.Body)
		before, _ := signedForm(string(r.Body))
		r.Body = changeByte(t, r.Body)
		after, decodes := signedForm(string(r.Body))
		want := decodes && before == after
		if _, err := v.Verify(r, keys); (err == nil) != want {
			t.Fatalf("got %v, want verified %t: signed %q, now %q", err, want, before, after)
		}
	})
}

func changeByte(t *rapid.T, b []byte) []byte {
	changed := slices.Clone(b)
	i := rapid.IntRange(0, len(b)-1).Draw(t, "place")
	changed[i] ^= rapid.ByteRange(1, 255).Draw(t, "difference")
	return changed
}

// Repeated, in any order and with every byte escaped, the same pairs are the same form.
func TestAFormsSpellingDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, base := drawVerifier(t)
		keys := secrets(vectorToken)
		pairs := drawPairs(t)
		r := validation.Request{Method: http.MethodPost, Target: "/p", ContentType: form}
		r.Signature = validation.Sign(keys[0], r.Method, base+r.Target, form, []byte(encodePairs(pairs)))
		twice := slices.Concat(pairs, pairs)
		r.Body = []byte(escapeAll(rapid.Permutation(twice).Draw(t, "order")))
		if _, err := v.Verify(r, keys); err != nil {
			t.Fatalf("got %v, want %q verified", err, r.Body)
		}
	})
}

func escapeAll(pairs [][2]string) string {
	const hex = "0123456789abcdef"
	var out strings.Builder
	escape := func(s string) {
		for i := range len(s) {
			out.Write([]byte{'%', hex[s[i]>>4], hex[s[i]&15]})
		}
	}
	for _, p := range pairs {
		escape(p[0])
		out.WriteByte('=')
		escape(p[1])
		out.WriteByte('&')
	}
	return out.String()
}

// FuzzVerify holds the verifier to what it says about any request at all: without the key nothing
// passes, and signed, what can be signed does.
func FuzzVerify(f *testing.F) {
	for _, c := range vectors {
		f.Add("POST", c.target, c.contentType, c.signature, []byte(c.body))
	}
	f.Add("GET", "/p?a=b+c", "", "x", []byte(nil))
	f.Add("POST", "/p", form, "x", []byte("%zz=1;2&&=&b"))
	f.Add("POST", "https://elsewhere/p?bodySHA256=00", text, "x", []byte("{}"))
	v, err := validation.NewVerifier([]string{"https://h", "http://[::1]:8080/x"})
	if err != nil {
		f.Fatal(err)
	}
	keys := secrets("one", "two")
	f.Fuzz(func(t *testing.T, method, target, contentType, signature string, body []byte) {
		r := validation.Request{Method: method, Target: target, ContentType: contentType, Signature: signature, Body: body}
		if _, err := v.Verify(r, keys); err == nil {
			t.Fatalf("got it verified, want a signature made without the key refused: %+v", r)
		}
		if !strings.HasPrefix(target, "/") {
			return
		}
		r.Target = validation.WithBodyHash(target, body)
		r.Signature = validation.Sign(keys[1], method, "http://[::1]:8080/x"+r.Target, contentType, body)
		_, err := v.Verify(r, keys)
		if unsignable := r.Signature == ""; (err == nil) == unsignable {
			t.Errorf("got %v, want verified %t: %+v", err, !unsignable, r)
		}
	})
}
