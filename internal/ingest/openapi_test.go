package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/validation"
)

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestOpenAPIHasTheRoutes(t *testing.T) {
	doc := document(t)
	got, want := map[string][]string{}, map[string][]string{}
	for path, item := range doc.Paths.Map() {
		got[path] = slices.Sorted(maps.Keys(item.Operations()))
	}
	for _, rt := range routes() {
		want[rt.path] = slices.Sorted(slices.Values(rt.methods))
	}
	if !maps.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestOpenAPIHasTheAnswers provokes every answer on every route and method. 404 and 405 belong to
// no operation, 431 to none of our code.
func TestOpenAPIHasTheAnswers(t *testing.T) {
	doc := document(t)
	for _, rt := range routes() {
		for _, method := range rt.methods {
			t.Run(method+" "+rt.path, func(t *testing.T) {
				got := map[int]bool{}
				for _, status := range provoke(t, rt, method) {
					got[status] = true
				}
				var want []int
				for status := range doc.Paths.Value(rt.path).GetOperation(method).Responses.Map() {
					var code int
					_, _ = fmt.Sscan(status, &code)
					want = append(want, code)
				}
				slices.Sort(want)
				if given := slices.Sorted(maps.Keys(got)); !slices.Equal(given, want) {
					t.Errorf("got answers %v, the document says %v", given, want)
				}
			})
		}
	}
}

func provoke(t *testing.T, rt route, method string) (statuses []int) {
	t.Helper()
	good := genuine(rt, method)
	r := start(t, Config{MaxBody: 2048, BodyTimeout: 100 * time.Millisecond}, nil, nil)
	ask := func(r *rig, w webhook) {
		statuses = append(statuses, r.send(t, w).status)
	}
	ask(r, good)
	ask(r, good.sign("another"))
	away := start(t, Config{}, nil, func(r *rig) {
		fail := func() error { return errAway }
		r.shelf.put = func(_ context.Context, _ events.Event) error { return fail() }
		r.shelf.bury = func(_ context.Context, _ events.DeadLetter) error { return fail() }
	})
	ask(away, good)
	broken := start(t, Config{}, ring(func() ([]validation.Secret, []validation.SID) { panic("x") }), nil)
	ask(broken, good)
	if method == http.MethodGet {
		return statuses
	}
	wrong, large := good.sign(token), good.sign(token)
	wrong.media = "text/plain"
	large.body = strings.Repeat("x", 4096)
	ask(r, wrong)
	ask(r, large)
	line := method + " " + rt.path + " HTTP/1.1"
	return append(statuses,
		r.raw(t, good.sign(token).head(line)+"Content-Length: 100\r\n\r\n"),
		r.raw(t, good.sign(token).head(line)+"Transfer-Encoding: chunked\r\n\r\nzz\r\n"))
}

// genuine is an event of the route that is known, and no pre-action.
func genuine(rt route, method string) webhook {
	switch {
	case rt.feed == events.FeedOrchestrator:
		return jsonBody(rt.path, `{"eventType":"CONVERSATION_UPDATED","data":{"id":"conv_conversation_01k1etk2y5f1y9fpe2epfdtvv2","accountId":"`+account+`"}}`)
	case rt.feed == events.FeedEventStreams:
		return jsonBody(rt.path, "["+cloudEvent("EZ1", "x")+"]")
	case method == http.MethodGet:
		w := messageAdded()
		return webhook{method: method, target: rt.path + "?" + w.body}
	default:
		w := messageAdded()
		w.target = rt.path
		return w
	}
}

func TestOpenAPIExamplesAreAccepted(t *testing.T) {
	doc, count := document(t), 0
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			for name, w := range examples(t, path, method, operation) {
				count++
				t.Run(method+path+"/"+name, func(t *testing.T) {
					r := start(t, Config{}, nil, nil)
					r.wantStatus(t, w, http.StatusOK)
					stored, letters := r.shelf.held()
					if len(stored) != 1 || len(letters) != 0 {
						t.Fatalf("got %d events and %v, want one event", len(stored), letters)
					}
					if unknown := stored[0].Resource == events.Unknown; unknown != (name == "unknownType") {
						t.Errorf("got %s.%s from example %s", stored[0].Resource, stored[0].Action, name)
					}
				})
			}
		}
	}
	if count < 9 {
		t.Errorf("got %d examples, want at least one for each operation", count)
	}
}

func examples(t *testing.T, path, method string, operation *openapi3.Operation) map[string]webhook {
	t.Helper()
	found := map[string]webhook{}
	if method == http.MethodGet {
		for name, example := range operation.Parameters.GetByInAndName("query", "fields").Examples {
			found[name] = webhook{method: method, target: path + "?" + encodeForm(t, example.Value.Value)}
		}
		return found
	}
	for media, content := range operation.RequestBody.Value.Content {
		for name, example := range content.Examples {
			if media == mediaForm {
				found[name] = webhook{method: method, target: path, media: media, body: encodeForm(t, example.Value.Value)}
				continue
			}
			body, err := json.Marshal(example.Value.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[name] = jsonBody(path, string(body))
		}
	}
	return found
}

func encodeForm(t *testing.T, value any) string {
	t.Helper()
	values := url.Values{}
	for key, field := range value.(map[string]any) {
		values.Set(key, field.(string))
	}
	return values.Encode()
}
