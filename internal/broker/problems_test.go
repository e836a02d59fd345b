package broker

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestConfigNamesEveryProblem(t *testing.T) {
	const good = "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU"
	seed, broken := written(t, good), written(t, good[:len(good)-2]+"AA") // the end is a checksum
	for name, c := range map[string]struct {
		cfg  Config
		want []string
	}{
		"good":         {Config{URL: "nats://a, tls://b:4222", NKeySeedFile: seed}, nil},
		"no URL":       {Config{}, []string{"URL"}},
		"scheme":       {Config{URL: "http://a"}, []string{"URL"}},
		"no file":      {Config{URL: "a", CredsFile: "/none"}, []string{"CredsFile"}},
		"broken creds": {Config{URL: "a", CredsFile: broken}, []string{"CredsFile"}},
		"broken seed":  {Config{URL: "a", NKeySeedFile: broken}, []string{"NKeySeedFile"}},
		"all of these": {Config{CredsFile: "/none", NKeySeedFile: "/none"}, []string{"URL", "CredsFile", "NKeySeedFile", "CredsFile"}},
	} {
		if got := fields(c.cfg.Problems()); !slices.Equal(got, c.want) {
			t.Errorf("%s: got problems with %v, want %v", name, got, c.want)
		}
	}
}

func written(t *testing.T, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Problems tells beforehand what Validate refuses, and nothing else.
func TestTopologyProblemsAreWhatValidateRefuses(t *testing.T) {
	if got := DefaultTopology().Problems(); len(got) != 0 {
		t.Errorf("got %v wrong with the defaults", got)
	}
	numbers := []int{-1, 0, 1, 2, 3, 5, 8, 63, 64, 256, 257, 100_000, 100_001}
	times := []time.Duration{-1, 0, 1, 99 * time.Millisecond, 100 * time.Millisecond, time.Second, time.Hour, 4*time.Hour + 15*time.Minute, 7 * day, 30 * day}
	number := func() int { return numbers[rand.IntN(len(numbers))] }
	long := func() time.Duration { return times[rand.IntN(len(times))] }
	good := 0
	for range 20_000 {
		topology := DefaultTopology()
		for range 2 { // few fields, so that some are good
			switch rand.IntN(8) {
			case 0:
				topology.Partitions = number()
			case 1:
				topology.Replicas = number()
			case 2:
				topology.RawAge = long()
			case 3:
				topology.EnrichedAge = long()
			case 4:
				topology.DeadAge = long()
			case 5:
				topology.Duplicates = long()
			case 6:
				topology.AckWait = long()
			case 7:
				topology.MaxAckPending = number()
			}
		}
		err, ps := topology.Validate(), topology.withDefaults().Problems()
		if (err == nil) != (len(ps) == 0) {
			t.Fatalf("%+v: got %v from Problems, want what Validate says: %v", topology, ps, err)
		}
		if err == nil {
			good++
		}
	}
	if good == 0 || good == 20_000 {
		t.Errorf("got %d good ones: the test shows nothing", good)
	}
}

func fields(ps []Problem) (names []string) {
	for _, p := range ps {
		names = append(names, p.Field)
	}
	return names
}
