package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestASeedDecidesThePlan(t *testing.T) {
	plan := func(seed uint64) (all []string) {
		for _, x := range planned(rand.New(rand.NewPCG(seed, 0)), 2) {
			all = append(all, fmt.Sprint(x, x.random.Uint64()))
			for _, b := range x.beside {
				all = append(all, fmt.Sprint(b.random.Uint64()))
			}
		}
		return all
	}
	if one, again := plan(1), plan(1); !slices.Equal(one, again) {
		t.Errorf("got %v and %v of one seed, want the same", one, again)
	}
	if one, another := plan(1), plan(2); slices.Equal(one, another) {
		t.Errorf("got %v of two seeds, want two plans", one)
	}
}
