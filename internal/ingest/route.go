package ingest

import (
	"mime"
	"net/http"
	pathpkg "path"
	"slices"
	"strings"

	"github.com/rollcall-events/rollcall/events"
)

const (
	mediaForm = "application/x-www-form-urlencoded"
	mediaJSON = "application/json"
)

// route is one path that Twilio may be given, and what is taken there.
type route struct {
	path    string
	feed    events.Feed
	methods []string
	media   string // of a posted body that does not say; JSON and its "+json" kin are taken everywhere
}

func routes() []route {
	both, post := []string{http.MethodPost, http.MethodGet}, []string{http.MethodPost}
	return []route{
		{"/webhooks/conversations", events.FeedConversations, both, mediaForm},
		{"/webhooks/flex", events.FeedFlex, both, mediaForm},
		{"/webhooks/orchestrator", events.FeedOrchestrator, post, mediaJSON},
		{"/webhooks/event-streams", events.FeedEventStreams, post, mediaJSON},
	}
}

func (rt route) allows(method string) bool { return slices.Contains(rt.methods, method) }

// ends reports whether url, a base URL as its user gave it, has the route's path at its end.
func (rt route) ends(url string) bool { return strings.HasSuffix(strings.TrimRight(url, "/"), rt.path) }

// closeTo reports whether path, which is no route's, is below /webhooks or looks like that of the route that it returns: it
// has a slash too many, other cases of letters, or something in front that a proxy should have taken off.
func closeTo(path string) (route, bool) {
	tidy := strings.ToLower(pathpkg.Clean("/" + path))
	for _, rt := range routes() {
		if rt.ends(tidy) {
			return rt, true
		}
	}
	return route{}, strings.HasPrefix(tidy+"/", "/webhooks/")
}

func (rt route) allow() string { return strings.Join(rt.methods, ", ") }

// contentType returns what r's body is to be read as, or false when it is nothing that is taken here. Of Flex no encoding is
// documented: it sends forms, and JSON, whose signature covers it by its hash, is read as well. A body
// without a content type is taken for what the route takes: only a genuine one will bear a signature.
func (rt route) contentType(r *http.Request) (string, bool) {
	given := r.Header.Values("Content-Type")
	switch {
	case r.Method == http.MethodGet, len(given) == 0:
		return rt.media, true
	case len(given) > 1:
		return "", false
	}
	// ParseMediaType names the type even where it finds fault with a parameter.
	media, _, _ := mime.ParseMediaType(given[0])
	kin := strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")
	return given[0], media == rt.media || media == mediaJSON || kin
}
