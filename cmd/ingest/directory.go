package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// directoryFlaw returns what is wrong with dir as one that lockDirectory is to make and to write in, "" if nothing is. It makes nothing: what
// is not there needs a directory above it that it can be made in.
func directoryFlaw(dir string) string {
	for {
		info, err := os.Stat(dir)
		above := filepath.Dir(dir)
		pathErr, _ := errors.AsType[*fs.PathError](err)
		switch {
		case errors.Is(err, fs.ErrNotExist) && above != dir:
			dir = above
			continue
		case pathErr != nil:
			return "cannot be used (" + pathErr.Err.Error() + ")"
		case !info.IsDir():
			return "is no directory"
		case !writable(dir):
			return "cannot be written to by this user"
		}
		return ""
	}
}
