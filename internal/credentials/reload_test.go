package credentials

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func file(token string) string {
	return `{"accounts":[{"account_sid":"` + sid1 + `","auth_token":"` + token + `"}]}`
}

// replace writes content beside path and renames it onto it, as careful programs do.
func replace(tb testing.TB, path, content string) {
	tb.Helper()
	write(tb, path+".new", content)
	if err := os.Rename(path+".new", path); err != nil {
		tb.Fatal(err)
	}
}

func write(tb testing.TB, path, content string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// opened returns a Book of a new file with the token, what it logs, and the file's path.
func opened(t *testing.T, token string) (b *Book, log *bytes.Buffer, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "credentials.json")
	write(t, path, file(token))
	log = new(bytes.Buffer)
	b, err := Open(path, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b, log, path
}

// bubble is a test in synthetic time, with a Book that runs.
type bubble struct{ *testing.T }

// nextLook returns when the Book has looked at its file once more.
func (bubble) nextLook() {
	<-time.After(pollEvery)
	synctest.Wait()
}

func running(t *testing.T, b *Book, test func(bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Run(ctx) }()
		test(bubble{t})
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
}

func TestRotation(t *testing.T) {
	b, log, path := opened(t, "old")
	running(t, b, func(t bubble) {
		wantSigners(t, b, sid1+" old")
		held, _ := b.Signers()

		replace(t, path, `{"accounts":[{"account_sid":"`+sid1+`","auth_token":"new","signing_keys":["old"]}]}`)
		t.nextLook()
		wantSigners(t, b, sid1+" new", sid1+" old")

		replace(t, path, file("new"))
		t.nextLook()
		wantSigners(t, b, sid1+" new")
		wantAPI(t, b, sid1, sid1, "new")

		if len(held) != 1 || held[0].Reveal() != "old" {
			t.Error("what Signers returned has changed under its caller")
		}
	})
	if got := strings.Count(log.String(), "taken over"); got != 2 {
		t.Errorf("got %d lines about a reload, want 2: %s", got, log)
	}
}

func TestOverwrittenInPlace(t *testing.T) {
	b, _, path := opened(t, "old")
	running(t, b, func(t bubble) {
		write(t, path, file("new"))
		t.nextLook()
		wantSigners(t, b, sid1+" new")
	})
}

func TestABadFileLeavesTheLastGoodOne(t *testing.T) {
	b, log, path := opened(t, "good")
	running(t, b, func(t bubble) {
		for i, bad := range []string{`{`, `{"accounts":[]}`, strings.Repeat(" ", maxFileSize+1)} {
			replace(t, path, bad)
			for range 3 {
				t.nextLook()
				wantSigners(t, b, sid1+" good")
			}
			if b.LastReload() == nil {
				t.Errorf("bad file %d: LastReload gives nil, want why it is not in force", i)
			}
			if got := strings.Count(log.String(), "not taken over"); got != i+1 {
				t.Errorf("bad file %d: got %d lines, want one for each change: %s", i, got, log)
			}
		}
		replace(t, path, file("better"))
		t.nextLook()
		wantSigners(t, b, sid1+" better")
		if err := b.LastReload(); err != nil {
			t.Errorf("LastReload: got %v, want nil", err)
		}
	})
}

func TestABadFileThatIsTakenBack(t *testing.T) {
	b, _, path := opened(t, "good")
	running(t, b, func(t bubble) {
		replace(t, path, `{`)
		t.nextLook()
		replace(t, path, file("good"))
		t.nextLook()
		if err := b.LastReload(); err != nil {
			t.Errorf("LastReload: got %v, want nil", err)
		}
	})
}

func TestAFileThatGoesAway(t *testing.T) {
	b, log, path := opened(t, "good")
	running(t, b, func(t bubble) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		t.nextLook()
		t.nextLook()
		wantSigners(t, b, sid1+" good")
		if got := strings.Count(log.String(), "not taken over"); got != 1 {
			t.Errorf("got %d lines, want 1: %s", got, log)
		}
		write(t, path, "")
		t.nextLook()
		if got := strings.Count(log.String(), "not taken over"); got != 2 {
			t.Errorf("there again, but empty: got %d lines, want 2: %s", got, log)
		}
		write(t, path, file("back"))
		t.nextLook()
		wantSigners(t, b, sid1+" back")
	})
}

// Kubernetes mounts a secret as a link into a directory behind another link, and swaps that one.
func TestLinksThatAreSwapped(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"old", "new"} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, "credentials.json"), file(version))
	}
	link(t, "old", filepath.Join(dir, "data"))
	path := filepath.Join(dir, "credentials.json")
	link(t, filepath.Join("data", "credentials.json"), path)

	b, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	running(t, b, func(t bubble) {
		wantSigners(t, b, sid1+" old")
		link(t, "new", filepath.Join(dir, "data.new"))
		if err := os.Rename(filepath.Join(dir, "data.new"), filepath.Join(dir, "data")); err != nil {
			t.Fatal(err)
		}
		t.nextLook()
		wantSigners(t, b, sid1+" new")
	})
}

func link(tb testing.TB, to, path string) {
	tb.Helper()
	if err := os.Symlink(to, path); err != nil {
		tb.Fatal(err)
	}
}

func TestOpenOfWhatIsNotThereOrNotRight(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	write(t, bad, `{"accounts":[{"auth_token":"hunter2"}]}`)
	for path, want := range map[string]string{
		filepath.Join(dir, "nothing"): "credentials file: open ",
		dir:                           "credentials file: read ",
		bad:                           "credentials file: accounts[0].account_sid: is missing",
	} {
		b, err := Open(path, slog.New(slog.DiscardHandler))
		if b != nil || err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %s…", path, err, want)
		}
	}
}

func TestWarnsOfAFileThatOthersCanRead(t *testing.T) {
	for mode, warns := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o644: true} {
		_, _, path := opened(t, "token")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		if _, err := Open(path, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "level=WARN"); got != warns {
			t.Errorf("mode %o: got warning %t, want %t: %s", mode, got, warns, &log)
		}
	}
}

func TestLogsNoSecret(t *testing.T) {
	b, log, path := opened(t, "hunter2")
	running(t, b, func(t bubble) {
		replace(t, path, `{"accounts":[{"account_sid":"`+sid1+`","auth_token":"hunter2 ","api_secret":"hunter2"}]}`)
		t.nextLook()
		replace(t, path, file("hunter22"))
		t.nextLook()
	})
	if strings.Contains(log.String(), "hunter2") {
		t.Errorf("a secret is in the log: %s", log)
	}
}

func TestRunOfAFixedBook(t *testing.T) {
	b := fixed(t, Account{SID: sid1, SigningKeys: secrets("a")})
	running(t, b, func(t bubble) {
		t.nextLook()
		wantSigners(t, b, sid1+" a")
		if err := b.LastReload(); err != nil {
			t.Errorf("LastReload: got %v, want nil", err)
		}
	})
}
