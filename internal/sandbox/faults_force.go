package sandbox

import (
	"slices"
	"strings"
	"sync"

	"github.com/rollcall-events/rollcall/validation"
)

// faults are those in force, in the order in which they were scripted.
type faults struct {
	mu   sync.Mutex
	list []Fault
	met  []int // by how many requests each of list was met, those that Every let pass included
}

// request is what a fault can tell a request by.
type request struct {
	path    string
	account validation.SID // "" for credentials of nobody
	under   int            // requests of the account that are under way, this one included
}

func (f *faults) add(more ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, more...)
	f.met = append(f.met, make([]int, len(more))...)
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list, f.met = nil, nil
}

// take returns the fault for r and spends one of its times.
func (f *faults) take(r request) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.list {
		if fault.isFor(r) && f.meet(i) {
			f.spend(i)
			return fault, true
		}
	}
	return Fault{}, false
}

// meet counts one more request for the fault at i, and reports whether it is one that Every is for. f.mu is held.
func (f *faults) meet(i int) bool {
	f.met[i]++
	return f.list[i].Every == 0 || f.met[i]%f.list[i].Every == 0
}

// spend takes one of the times of the fault at i. f.mu is held.
func (f *faults) spend(i int) {
	switch f.list[i].Times {
	case 0:
	case 1:
		f.list = slices.Delete(f.list, i, i+1)
		f.met = slices.Delete(f.met, i, i+1)
	default:
		f.list[i].Times--
	}
}

func (f Fault) isFor(r request) bool {
	return strings.Contains(r.path, f.Path) &&
		(f.Account == "" || f.Account == r.account) &&
		(f.Concurrency == 0 || r.under > f.Concurrency)
}
