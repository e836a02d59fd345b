package containers

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// imageTag keeps the images of the tests apart from those that someone runs.
const imageTag = "test"

// image is the name of a program's image.
func image(program string) string { return "rollcall/" + program + ":" + imageTag }

// repository is the path of the repository's root.
var repository = sync.OnceValues(func() (string, error) { return filepath.Abs(filepath.Join("..", "..")) })

// buildImages builds all images from the sources as they are, once a run.
var buildImages = sync.OnceValue(func() error {
	root, err := repository()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	_, err = command(ctx, []string{"TAG=" + imageTag, "VERSION=test"}, filepath.Join(root, "deploy", "images.sh"))
	return err
})

// needsImages is needsDocker with the images there.
func needsImages(t *testing.T) {
	t.Helper()
	needsDocker(t)
	if testing.Short() {
		t.Skipf("not tested with -short, since it builds images: %s", t.Name())
	}
	if err := buildImages(); err != nil {
		t.Fatalf("build the images: %v", err)
	}
}
