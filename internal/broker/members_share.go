package broker

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
)

// shareOut deals partitions out to members, whose order does not matter and who bear different names. It returns for each
// partition all members in the order in which they are to take from it: its owner first, then those who stand in for it.
//
// Each partition has one owner, and no member owns more than one partition more than another. The order is that of a hash of member
// and partition, so that all who know the same members say the same. When one of them goes, its partitions move, and now and then one
// more: shares that are as even as can be do not allow less.
func shareOut(members []string, partitions int) [][]string {
	type bid struct {
		member    string
		partition int
		score     [sha256.Size]byte
	}
	bids := make([]bid, 0, len(members)*partitions)
	for _, m := range members {
		for p := range partitions {
			bids = append(bids, bid{m, p, sha256.Sum256(fmt.Appendf(nil, "%s %d", m, p))})
		}
	}
	slices.SortFunc(bids, func(a, b bid) int {
		return cmp.Or(bytes.Compare(b.score[:], a.score[:]), cmp.Compare(a.member, b.member))
	})
	limits := newLimits(len(members), partitions)
	shares := make([][]string, partitions)
	for _, b := range bids { // the owners
		if len(shares[b.partition]) == 0 && limits.take(b.member) {
			shares[b.partition] = append(shares[b.partition], b.member)
		}
	}
	for _, b := range bids { // those who stand in for them
		if shares[b.partition][0] != b.member {
			shares[b.partition] = append(shares[b.partition], b.member)
		}
	}
	return shares
}

// limits is how many partitions each member may have: as many as all others or, while some are left over, one more.
type limits struct {
	even, over int
	taken      map[string]int
}

func newLimits(members, partitions int) *limits {
	n := max(members, 1)
	return &limits{even: partitions / n, over: partitions % n, taken: make(map[string]int, n)}
}

func (l *limits) take(member string) bool {
	switch has := l.taken[member]; {
	case has < l.even:
	case has == l.even && l.over > 0:
		l.over--
	default:
		return false
	}
	l.taken[member]++
	return true
}
