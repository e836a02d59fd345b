package sandbox

import (
	"maps"
	"net/http"
	"strconv"
	"sync"

	"github.com/rollcall-events/rollcall/validation"
)

// Endpoint names one documented operation of Twilio's participants APIs.
type Endpoint string

// The endpoints that the fake serves, all of them GET.
const (
	EndpointConversation        Endpoint = "v1 list"         // /v1/Conversations/{CH}/Participants
	EndpointServiceConversation Endpoint = "v1 service list" // /v1/Services/{IS}/Conversations/{CH}/Participants
	EndpointChannel             Endpoint = "flex list"       // /v1/Interactions/{KD}/Channels/{UO}/Participants
	EndpointV2List              Endpoint = "v2 list"         // /v2/Conversations/{id}/Participants
	EndpointV2Fetch             Endpoint = "v2 fetch"        // /v2/Conversations/{id}/Participants/{id}
)

// Twilio is a fake of Twilio's participants APIs: an http.Handler for both API hosts, whose
// paths differ. It is safe for concurrent use.
type Twilio struct {
	world    *World
	mux      *http.ServeMux
	faults   faults
	inFlight inFlight

	mu    sync.Mutex
	calls map[Endpoint]int
}

// NewTwilio returns a Twilio that answers from world.
func NewTwilio(world *World) *Twilio {
	t := &Twilio{world: world, mux: http.NewServeMux(), calls: map[Endpoint]int{}}
	t.handle("/v1/Conversations/{conversation}/Participants", EndpointConversation, t.listConversation)
	t.handle("/v1/Services/{service}/Conversations/{conversation}/Participants", EndpointServiceConversation, t.listServiceConversation)
	t.handle("/v1/Interactions/{interaction}/Channels/{channel}/Participants", EndpointChannel, t.listChannel)
	t.handle("/v2/Conversations/{conversation}/Participants", EndpointV2List, t.listV2)
	t.handle("/v2/Conversations/{conversation}/Participants/{participant}", EndpointV2Fetch, t.fetchV2)
	t.mux.HandleFunc("/", notFound)
	t.admin()
	return t
}

// ServeHTTP implements http.Handler.
func (t *Twilio) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Twilio-Request-Id", string(NewSID("RQ")))
	t.mux.ServeHTTP(w, r)
}

// Calls returns how many requests each endpoint has received, including those that were refused or met a fault.
func (t *Twilio) Calls() map[Endpoint]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.calls)
}

// handler answers an authenticated call.
type handler func(w http.ResponseWriter, r *http.Request, caller Account)

// handle serves an endpoint: count, fault, method, authentication, answer. Requests with wrong
// credentials meet faults too.
func (t *Twilio) handle(path string, name Endpoint, answer handler) {
	t.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		t.count(name)
		caller, ok := t.caller(r)
		under := t.inFlight.enter(caller.SID)
		defer t.inFlight.leave(caller.SID)
		w.Header().Set(concurrentHeader, strconv.Itoa(under))
		if fault, found := t.faults.take(request{r.URL.Path, caller.SID, under}); found {
			var done bool
			if w, r, done = fault.apply(w, r); done {
				return
			}
		}
		if r.Method != http.MethodGet {
			writeError(w, r, http.StatusMethodNotAllowed, codeMethod, "Method not allowed")
			return
		}
		if !ok {
			writeError(w, r, http.StatusUnauthorized, codeAuthenticate, "Authenticate")
			return
		}
		answer(w, r, caller)
	})
}

func (t *Twilio) count(name Endpoint) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls[name]++
}

// caller returns the account whose credentials r carries; false if they are nobody's or wrong.
func (t *Twilio) caller(r *http.Request) (Account, bool) {
	username, password, ok := r.BasicAuth()
	if !ok {
		return Account{}, false
	}
	accounts := t.world.State().Accounts
	if a, ok := accounts[validation.SID(username)]; ok {
		return a, a.accepts(username, password)
	}
	for _, a := range accounts {
		if a.accepts(username, password) {
			return a, true
		}
	}
	return Account{}, false
}
