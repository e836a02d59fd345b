package sandbox

import (
	"encoding/json"
	"net/http"
)

// AdminPath is the path below which a fake Twilio in another process is controlled, without a password:
//
//	GET, PUT  AdminPath + "world"    the State
//	GET, PUT  AdminPath + "faults"   a list of Fault
//	GET       AdminPath + "calls"    the number of calls by Endpoint
//	GET       AdminPath + "healthy"  204
const AdminPath = "/sandbox/"

func (t *Twilio) admin() {
	t.mux.HandleFunc("GET "+AdminPath+"world", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, t.world.State())
	})
	t.mux.HandleFunc("PUT "+AdminPath+"world", func(w http.ResponseWriter, r *http.Request) {
		putJSON(w, r, t.world.Replace)
	})
	t.mux.HandleFunc("GET "+AdminPath+"faults", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, append([]Fault{}, t.Faults()...))
	})
	t.mux.HandleFunc("PUT "+AdminPath+"faults", func(w http.ResponseWriter, r *http.Request) {
		putJSON(w, r, func(f []Fault) {
			t.ClearFaults()
			t.Script(f...)
		})
	})
	t.mux.HandleFunc("GET "+AdminPath+"calls", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, t.Calls())
	})
	t.mux.HandleFunc("GET "+AdminPath+"healthy", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})
}

const maxAdminBody = 64 << 20

// putJSON passes the body of r to use and answers 204; 400 for a body that is not a T.
func putJSON[T any](w http.ResponseWriter, r *http.Request, use func(T)) {
	var body T
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody)).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	use(body)
	w.WriteHeader(http.StatusNoContent)
}
