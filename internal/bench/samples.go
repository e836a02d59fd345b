package bench

import "slices"

// sample names what was measured.
type sample struct {
	mode   mode
	figure string
}

// samples are the values of all rounds.
type samples map[sample][]float64

// median of the rounds; 0 for what was not measured.
func (s samples) median(m mode, figure string) float64 { return median(s[sample{m, figure}]) }

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}
