package broker

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func owners(shares [][]string) (owner []string, load map[string]int) {
	load = map[string]int{}
	for _, order := range shares {
		owner = append(owner, order[0])
		load[order[0]]++
	}
	return owner, load
}

func TestSharesAreEvenAndTheSameForAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Z2-7]{26}`), 1, 20, rapid.ID).Draw(t, "members")
		partitions := rapid.IntRange(1, 64).Draw(t, "partitions")
		shares := shareOut(members, partitions)
		if len(shares) != partitions {
			t.Fatalf("got %d partitions, want %d", len(shares), partitions)
		}
		all := slices.Sorted(slices.Values(members))
		for p, order := range shares {
			if got := slices.Sorted(slices.Values(order)); !slices.Equal(got, all) {
				t.Errorf("partition %d: got %v, want each of %v once", p, got, all)
			}
		}
		_, load := owners(shares)
		for _, m := range members {
			if least := partitions / len(members); load[m] < least || load[m] > least+1 {
				t.Errorf("%s owns %d of %d partitions among %d, want %d or one more", m, load[m], partitions, len(members), least)
			}
		}
		again := shareOut(rapid.Permutation(members).Draw(t, "in another order"), partitions)
		for p := range shares {
			if !slices.Equal(shares[p], again[p]) {
				t.Errorf("partition %d: got %v and %v for the same members", p, shares[p], again[p])
			}
		}
	})
}

// What goes with a member's partitions is little: the shares of those who stay grow, and may be dealt otherwise. Without
// a limit on shares it would be nothing, and with shares by rank, say, nearly all.
func TestFewPartitionsMoveWhenAMemberGoes(t *testing.T) {
	const partitions, rounds = 8, 500
	for n := 2; n <= 6; n++ {
		moved := 0
		for round := range rounds {
			var members []string
			for i := range n {
				members = append(members, fmt.Sprintf("%d of %d", i, round))
			}
			before, _ := owners(shareOut(members, partitions))
			after, _ := owners(shareOut(members[1:], partitions))
			for p := range partitions {
				if before[p] != members[0] && before[p] != after[p] {
					moved++
				}
			}
		}
		t.Logf("%d members: %.2f others of %d partitions move when one goes", n, float64(moved)/rounds, partitions)
		if most := 2 * rounds; moved > most {
			t.Errorf("%d members: got %d moves in %d rounds, want at most %d", n, moved, rounds, most)
		}
	}
}

func TestNobodySharesNothing(t *testing.T) {
	for p, order := range shareOut(nil, 3) {
		if len(order) != 0 {
			t.Errorf("partition %d: got %v, want nobody", p, order)
		}
	}
}
