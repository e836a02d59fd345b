package validation_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/validation"
)

const (
	form = "application/x-www-form-urlencoded"
	text = "application/json"
)

// Twilio's published vectors, all of the token 12345.
const (
	vectorToken  = "12345"
	vectorTarget = "/myapp.php?foo=1&bar=2"
	vectorURL    = "https://mycompany.com" + vectorTarget
	vectorForm   = "CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309"
	vectorHash   = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
)

var vectors = []struct {
	name, base, target, contentType, body, signature string
}{
	{"form", "https://mycompany.com", vectorTarget, form, vectorForm, "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
	{"form, port 443", "https://mycompany.com:443", vectorTarget, form, vectorForm, "kvajT1Ptam85bY51eRf/AJRuM3w="},
	{"form, http, port 1234", "http://mycompany.com:1234", vectorTarget, form, vectorForm, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="},
	{"repeated key", "https://mycompany.com", vectorTarget, form, "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234", "IK+Dwps556ElfBT0I3Rgjkr1wJU="},
	{"JSON", "https://mycompany.com", vectorTarget + "&bodySHA256=" + vectorHash, text, `{"property": "value", "boolean": true}`, "a9nBmqA0ju/hNViExpshrM61xv4="},
}

func TestPublishedVectors(t *testing.T) {
	for _, c := range vectors {
		t.Run(c.name, func(t *testing.T) {
			if got := validation.Sign(validation.NewSecret(vectorToken), http.MethodPost, c.base+c.target, c.contentType, []byte(c.body)); got != c.signature {
				t.Errorf("Sign: got %s, want %s", got, c.signature)
			}
			request := validation.Request{Method: http.MethodPost, Target: c.target, ContentType: c.contentType, Signature: c.signature, Body: []byte(c.body)}
			wantVerified(t, []string{c.base}, request)
		})
	}
}

func TestWithBodyHash(t *testing.T) {
	body := []byte(`{"property": "value", "boolean": true}`)
	for url, want := range map[string]string{
		vectorURL:          vectorURL + "&bodySHA256=" + vectorHash,
		"https://h/p":      "https://h/p?bodySHA256=" + vectorHash,
		"https://h/p?a=%2": "https://h/p?a=%2&bodySHA256=" + vectorHash,
	} {
		if got := validation.WithBodyHash(url, body); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// hmacSHA1 is the scheme without this package: base64(HMAC-SHA1(key, signed)).
func hmacSHA1(signed string) string {
	mac := hmac.New(sha1.New, []byte(vectorToken))
	mac.Write([]byte(signed))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func verify(t *testing.T, bases []string, r validation.Request, keys ...string) (int, error) {
	t.Helper()
	v, err := validation.NewVerifier(bases)
	if err != nil {
		t.Fatal(err)
	}
	return v.Verify(r, secrets(keys...))
}

func secrets(values ...string) []validation.Secret {
	list := make([]validation.Secret, len(values))
	for i, value := range values {
		list[i] = validation.NewSecret(value)
	}
	return list
}

func wantVerified(t *testing.T, bases []string, r validation.Request) {
	t.Helper()
	if _, err := verify(t, bases, r, vectorToken); err != nil {
		t.Errorf("%s %s with %s: got %v, want it verified", r.Method, r.Target, bases, err)
	}
}

func wantRefused(t *testing.T, r validation.Request, want error) {
	t.Helper()
	if i, err := verify(t, []string{"https://h"}, r, vectorToken); i != 0 || !errors.Is(err, want) {
		t.Errorf("got %d and %v, want 0 and %v", i, err, want)
	}
}

func TestWhatOfAFormIsSigned(t *testing.T) {
	for name, c := range map[string]struct{ body, pairs string }{
		"sorted by key":                 {"b=2&a=1", "a1b2"},
		"capitals before small letters": {"a=1&B=2", "B2a1"},
		"by bytes, not by characters":   {"%C3%A9=1&z=2", "z2\xc3\xa91"},
		"key before its prolongation":   {"ab=1&a=2", "a2ab1"},
		"repeated key, values sorted":   {"k=2&k=1", "k1k2"},
		"repeated pair, once":           {"k=1&k=1&k=2&k=1", "k1k2"},
		"repeated after decoding":       {"k=a+b&k=a%20b", "ka b"},
		"empty value":                   {"k=", "k"},
		"no equals sign":                {"k", "k"},
		"empty key":                     {"=v&a=1", "va1"},
		"empty pair":                    {"=", ""},
		"empty fields":                  {"&a=1&&b=2&", "a1b2"},
		"equals sign in a value":        {"k=a=b", "ka=b"},
		"semicolon in a value":          {"k=a;b&c=d", "cdka;b"},
		"semicolon in a key":            {"k;x=a", "k;xa"},
		"plus is a space":               {"k=a+b", "ka b"},
		"escaped plus":                  {"k=%2B1", "k+1"},
		"escaped delimiters":            {"k=%26%3D%3B", "k&=;"},
		"escapes of either case":        {"k=%2b%2B", "k++"},
		"space at the ends":             {"k=+v+", "k v "},
		"newlines":                      {"k=a%0D%0Ab", "ka\r\nb"},
		"no UTF-8":                      {"k=%FF", "k\xff"},
		"NUL":                           {"k=%00", "k\x00"},
		"dotted key":                    {"MessagingBinding.Type=SMS", "MessagingBinding.TypeSMS"},
		"empty body":                    {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := validation.Request{Method: http.MethodPost, Target: "/p", ContentType: form, Body: []byte(c.body)}
			r.Signature = hmacSHA1("https://h/p" + c.pairs)
			wantVerified(t, []string{"https://h"}, r)
			if got := validation.Sign(validation.NewSecret(vectorToken), r.Method, "https://h/p", form, r.Body); got != r.Signature {
				t.Errorf("Sign: got %s, want %s", got, r.Signature)
			}
		})
	}
}

func TestAFormThatDoesNotDecode(t *testing.T) {
	for _, body := range []string{"k=%", "k=%2", "k=%zz", "%=v", "a=1&k=%g0"} {
		if got := validation.Sign(validation.NewSecret(vectorToken), http.MethodPost, "https://h/p", form, []byte(body)); got != "" {
			t.Errorf("Sign of %q: got %s, want nothing", body, got)
		}
		for _, signed := range []string{"https://h/p", "https://h/p" + strings.ReplaceAll(body, "=", "")} {
			r := validation.Request{Method: http.MethodPost, Target: "/p", ContentType: form, Body: []byte(body), Signature: hmacSHA1(signed)}
			wantRefused(t, r, validation.ErrSignatureMismatch)
		}
	}
}

func TestFloodOfFields(t *testing.T) {
	r := validation.Request{Method: http.MethodPost, Target: "/p", ContentType: form, Signature: hmacSHA1("https://h/pa")}
	r.Body = []byte(strings.Repeat("a&", 4095) + "a")
	wantVerified(t, []string{"https://h"}, r)
	r.Body = append(r.Body, '&')
	wantRefused(t, r, validation.ErrSignatureMismatch)
}

func TestContentTypes(t *testing.T) {
	for contentType, isForm := range map[string]bool{
		form:                           true,
		form + "; charset=utf-8":       true,
		form + ";charset=utf-8":        true,
		" " + strings.ToUpper(form):    true,
		form + "x":                     false,
		"multipart/form-data":          false,
		text:                           false,
		"application/cloudevents+json": false,
		"":                             false,
	} {
		r := validation.Request{Method: http.MethodPost, Target: "/p", ContentType: contentType, Body: []byte("k=v"), Signature: hmacSHA1("https://h/pkv")}
		if isForm {
			wantVerified(t, []string{"https://h"}, r)
		} else {
			wantRefused(t, r, validation.ErrBodyHashMissing)
		}
	}
}

// What covers the body, by method and kind of body: r is always signed by its URL alone.
func TestBodyHash(t *testing.T) {
	const otherHash = "0000000000000000000000000000000000000000000000000000000000000000"
	hashOf := func(body string) string {
		return strings.TrimPrefix(validation.WithBodyHash("", []byte(body)), "?")
	}
	for name, c := range map[string]struct {
		method, contentType, query, body string
		want                             error
	}{
		"JSON":                           {"POST", text, hashOf(`{}`), `{}`, nil},
		"JSON, in capitals":              {"POST", text, "bodySHA256=" + strings.ToUpper(hashOf(`{}`)[11:]), `{}`, nil},
		"JSON, Twilio's is the last":     {"POST", text, "bodySHA256=" + otherHash + "&" + hashOf(`{}`), `{}`, nil},
		"JSON, the right one not last":   {"POST", text, hashOf(`{}`) + "&bodySHA256=" + otherHash, `{}`, validation.ErrBodyHashMismatch},
		"JSON of another body":           {"POST", text, hashOf(`{}`), `[]`, validation.ErrBodyHashMismatch},
		"JSON, body cut":                 {"POST", text, hashOf(`{}`), ``, validation.ErrBodyHashMismatch},
		"JSON, hash cut":                 {"POST", text, hashOf(`{}`)[:60], `{}`, validation.ErrBodyHashMismatch},
		"JSON, hash empty":               {"POST", text, "bodySHA256=", `{}`, validation.ErrBodyHashMismatch},
		"JSON, no hexadecimal":           {"POST", text, "bodySHA256=zz", `{}`, validation.ErrBodyHashMismatch},
		"JSON without":                   {"POST", text, "a=b", `{}`, validation.ErrBodyHashMissing},
		"JSON, without a value":          {"POST", text, "bodySHA256", `{}`, validation.ErrBodyHashMissing},
		"JSON, another parameter's name": {"POST", text, "xbodySHA256=" + otherHash, `{}`, validation.ErrBodyHashMissing},
		"nothing posted, without":        {"POST", text, "", ``, validation.ErrBodyHashMissing},
		"nothing posted":                 {"POST", text, hashOf(``), ``, nil},
		"no content type":                {"POST", "", "", ``, validation.ErrBodyHashMissing},
		"empty form":                     {"POST", form, "", ``, nil},
		"form that signs as nothing":     {"POST", form, "", `&&=`, nil},
		"JSON passed off as empty form":  {"POST", form, hashOf(`{}`), `&&`, validation.ErrBodyHashMismatch},
		"empty form with its hash":       {"POST", form, hashOf(``), ``, nil},
		"GET":                            {"GET", "", "a=b+c&d=%2b", ``, nil},
		"GET of a form's type":           {"GET", form, "a=b", ``, nil},
		"GET with a body":                {"GET", form, "a=b", `k=v`, validation.ErrBodyHashMissing},
		"GET with a body and its hash":   {"GET", text, hashOf(`{}`), `{}`, nil},
		"GET with a form and its hash":   {"GET", form, hashOf(`k=v`), `k=v`, nil},
		"JSON passed off as GET":         {"GET", "", hashOf(`{}`), ``, validation.ErrBodyHashMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			r := validation.Request{Method: c.method, Target: "/p?" + c.query, ContentType: c.contentType, Body: []byte(c.body)}
			r.Signature = hmacSHA1("https://h" + r.Target)
			if c.want == nil {
				wantVerified(t, []string{"https://h"}, r)
			} else {
				wantRefused(t, r, c.want)
			}
		})
	}
}

func TestBodyHashIsNotToldToWhoCannotSign(t *testing.T) {
	r := validation.Request{Method: "POST", Target: "/p?bodySHA256=" + vectorHash, ContentType: text, Body: []byte(`{}`), Signature: hmacSHA1("https://elsewhere/p")}
	wantRefused(t, r, validation.ErrSignatureMismatch)
}

func TestSignatureHeader(t *testing.T) {
	r := validation.Request{Method: "GET", Target: "/p"}
	wantRefused(t, r, validation.ErrSignatureMissing)
	right := hmacSHA1("https://h/p")
	for _, wrong := range []string{"x", right[:27], right + "=", right + "\n", " " + right, strings.ToUpper(right), right + "," + right, base64.RawStdEncoding.EncodeToString(make([]byte, 20))} {
		r.Signature = wrong
		wantRefused(t, r, validation.ErrSignatureMismatch)
	}
	for _, last := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		if r.Signature = right[:26] + string(last) + "="; r.Signature != right { // some decode to the same bytes
			wantRefused(t, r, validation.ErrSignatureMismatch)
		}
	}
}

func TestKeys(t *testing.T) {
	r := validation.Request{Method: "GET", Target: "/p", Signature: hmacSHA1("https://h/p")}
	for name, c := range map[string]struct {
		keys []string
		want int
	}{
		"alone":          {[]string{vectorToken}, 0},
		"first":          {[]string{vectorToken, "b", "c"}, 0},
		"in the middle":  {[]string{"a", vectorToken, "c"}, 1},
		"last":           {[]string{"a", "b", vectorToken}, 2},
		"listed twice":   {[]string{"a", vectorToken, vectorToken}, 1},
		"after an empty": {[]string{"", vectorToken}, 1},
		"none":           {nil, -1},
		"not among them": {[]string{"a", "b"}, -1},
		"almost":         {[]string{vectorToken + " ", vectorToken[1:]}, -1},
		"an empty key":   {[]string{""}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := verify(t, []string{"https://other", "https://h"}, r, c.keys...)
			if c.want < 0 && (got != 0 || !errors.Is(err, validation.ErrSignatureMismatch)) {
				t.Errorf("got %d and %v, want 0 and %v", got, err, validation.ErrSignatureMismatch)
			}
			if c.want >= 0 && (got != c.want || err != nil) {
				t.Errorf("got %d and %v, want %d", got, err, c.want)
			}
		})
	}
}

func TestNobodySignsWithAnEmptyKey(t *testing.T) {
	r := validation.Request{Method: "GET", Target: "/p"}
	r.Signature = validation.Sign(validation.Secret{}, r.Method, "https://h/p", "", nil)
	if _, err := verify(t, []string{"https://h"}, r, "", vectorToken); !errors.Is(err, validation.ErrSignatureMismatch) {
		t.Errorf("got %v, want %v", err, validation.ErrSignatureMismatch)
	}
}

func TestTargets(t *testing.T) {
	for target, signed := range map[string]string{
		"/p":                       "/p",
		"/":                        "/",
		"/p?":                      "/p?",
		"/p/":                      "/p/",
		"//p":                      "//p",
		"/p%2Fq?a=%2f&b=c+d":       "/p%2Fq?a=%2f&b=c+d",
		"/p?q='&e=@:;,|\"é":        "/p?q='&e=@:;,|\"é",
		"/p?u=http://elsewhere/x":  "/p?u=http://elsewhere/x",
		"/a/../b/./c":              "/a/../b/./c",
		"https://h/p?a=b":          "/p?a=b",
		"http://elsewhere:1/p?a=b": "/p?a=b", // absolute form: whoever it names, the public URL is ours
		"https://h?a=b":            "?a=b",
	} {
		wantVerified(t, []string{"https://h"}, validation.Request{Method: "GET", Target: target, Signature: hmacSHA1("https://h" + signed)})
	}
	for _, target := range []string{"", "*", "p", ".elsewhere/p", ":8443/p", "@elsewhere/p", "elsewhere:443", "https://h"} {
		wantRefused(t, validation.Request{Method: "GET", Target: target, Signature: hmacSHA1("https://h" + target)}, validation.ErrSignatureMismatch)
	}
}

func BenchmarkVerify(b *testing.B) {
	const url = "https://hooks.example.com"
	formBody := []byte("EventType=onMessageAdded&Attributes=%7B%7D&DateCreated=2025-09-17T22%3A23%3A11.350Z&Index=8&Source=SMS&RetryCount=0" +
		"&MessagingServiceSid=MG" + digits + "&ChatServiceSid=IS" + digits + "&MessageSid=IM" + digits + "&AccountSid=AC" + digits +
		"&ParticipantSid=MB" + digits + "&ConversationSid=CH" + digits + "&Author=%2B18005550100&Body=" + strings.Repeat("Hello+there%21+", 40))
	jsonBody := []byte(`{"eventType":"PARTICIPANT_ADDED","data":"` + strings.Repeat("x", 1000) + `"}`)
	for name, r := range map[string]validation.Request{
		"form": {Method: "POST", Target: "/webhooks/conversations", ContentType: form, Body: formBody},
		"JSON": {Method: "POST", Target: validation.WithBodyHash("/webhooks/orchestrator", jsonBody), ContentType: text, Body: jsonBody},
	} {
		b.Run(name, func(b *testing.B) {
			v, err := validation.NewVerifier([]string{url})
			if err != nil {
				b.Fatal(err)
			}
			keys := secrets("primary", "secondary")
			r.Signature = validation.Sign(keys[1], r.Method, url+r.Target, r.ContentType, r.Body)
			b.SetBytes(int64(len(r.Body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(r, keys); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
