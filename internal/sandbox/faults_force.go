package sandbox

import (
	"slices"
	"strings"
	"sync"

	"github.com/rollcall-events/rollcall/validation"
)

// faults are those that are not spent, in the order in which they were scripted.
type faults struct {
	mu   sync.Mutex
	list []Fault
	met  []int // how many requests each of list has matched, including those that Every spared
}

// request is what faults are matched against.
type request struct {
	path    string
	account validation.SID // "" for unknown credentials
	under   int            // requests of the account under way, this one included
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

// take returns the fault that r meets, if any, and uses up one of its Times.
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

// meet counts one more request for the fault at i, and reports whether Every does not spare it. f.mu must be held.
func (f *faults) meet(i int) bool {
	f.met[i]++
	return f.list[i].Every == 0 || f.met[i]%f.list[i].Every == 0
}

// spend uses up one of the Times of the fault at i. f.mu must be held.
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
