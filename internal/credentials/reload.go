package credentials

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	pollEvery   = 2 * time.Second
	maxFileSize = 1 << 20 // bytes: thousands of accounts
	othersRead  = fs.FileMode(0o044)
)

// version tells one state of the file from another: by its content, so that neither a
// mount that swaps symbolic links nor a clock that stands still hides a change.
type version struct {
	hash [sha256.Size]byte
	err  string // why it could not be read
}

// Open reads the file at path and returns its Book. Run keeps it up to date.
func Open(path string, log *slog.Logger) (*Book, error) {
	b := &Book{path: path, log: log}
	accounts, _, err := b.look()
	if err != nil {
		return nil, err
	}
	b.current.Store(newPage(accounts))
	return b, nil
}

// Run looks at the file every two seconds and takes over what has changed, until ctx is done; then it
// returns nil. A file that has become wrong is logged, once for each change, and
// the last good one stays in force. For a fixed Book it waits for ctx.
func (b *Book) Run(ctx context.Context) error {
	if b.path == "" {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			b.reload(ctx)
		}
	}
}

func (b *Book) reload(ctx context.Context) {
	accounts, changed, err := b.look()
	switch {
	case !changed:
	case err != nil:
		b.problem.Store(&err)
		b.log.ErrorContext(ctx, "credentials file not taken over, the one before stays in force", slog.Any("error", err))
	default:
		b.problem.Store(nil)
		b.current.Store(newPage(accounts))
		b.log.InfoContext(ctx, "credentials file taken over", slog.Int("accounts", len(accounts)))
	}
}

// LastReload returns nil, or why the file as it is now is not in force. It is for an operator's
// eyes and no ground to stop serving: the last good file still is.
func (b *Book) LastReload() error {
	if problem := b.problem.Load(); problem != nil {
		return *problem
	}
	return nil
}

// Metric returns a gauge that is 1 while LastReload returns an error.
func (b *Book) Metric() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rollcall_credentials_stale", Help: "1 while the credentials file as it is now is not in force, since something is wrong with it: the log says what.",
	}, func() float64 {
		if b.LastReload() != nil {
			return 1
		}
		return 0
	})
}

// look reads the file; changed is false when it is as it was at the last look.
func (b *Book) look() (accounts []Account, changed bool, err error) {
	content, exposed, err := readFile(b.path)
	now := version{hash: sha256.Sum256(content)}
	if err != nil {
		now.err = err.Error()
	}
	if now == b.seen {
		return nil, false, nil
	}
	b.seen = now
	if err == nil {
		accounts, err = parse(content)
	}
	if err != nil {
		return nil, true, fmt.Errorf("credentials file: %w", err)
	}
	if exposed {
		b.log.Warn("credentials file can be read by others than its owner", slog.String("path", b.path))
	}
	return accounts, true, nil
}

func readFile(path string) (content []byte, exposed bool, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return nil, false, err
	}
	content, err = io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err == nil && len(content) > maxFileSize {
		return nil, false, errors.New("is larger than 1 MiB")
	}
	return content, info.Mode().Perm()&othersRead != 0, err
}
