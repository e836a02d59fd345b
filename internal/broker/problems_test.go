package broker

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
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

func TestTheDefaultTopologyIsGood(t *testing.T) {
	if got := DefaultTopology().Problems(); len(got) != 0 {
		t.Errorf("got %v wrong with the defaults", got)
	}
}

func fields(ps []Problem) (names []string) {
	for _, p := range ps {
		names = append(names, p.Field)
	}
	return names
}
