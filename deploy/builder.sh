#!/usr/bin/env bash
# Makes rollcall/builder:TAG (default dev) out of this machine's Go toolchain and the modules
# that the programs need: a BUILDER for the Dockerfile where no registry can be asked.
#
#   deploy/builder.sh && docker build --build-arg BUILDER=rollcall/builder:dev --target ingest .
set -euo pipefail
cd "$(dirname "$0")/.."

image=rollcall/builder:${TAG:-dev}
modules=$(mktemp -d)
trap 'rm -rf "$modules"' EXIT
goroot=$(go env GOROOT)
goroot=${goroot#/}

# Fetch just what the programs import: from this machine's module cache, else from where
# this machine gets modules.
GOFLAGS=-modcacherw GOMODCACHE=$modules GOPROXY="file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)" \
	GOOS=linux CGO_ENABLED=0 go list -deps ./cmd/... github.com/nats-io/nats-server/v2 \
	>/dev/null 2> >(grep -v '^go: downloading' >&2 || true)

# The image is one layer: the toolchain without its own tests, the modules, the authorities.
tar --create --dereference \
	--exclude="$goroot/test" --exclude="$goroot/api" --exclude="$goroot/doc" \
	--exclude='*/testdata' --exclude='*_test.go' --exclude='*/cache/download/*.zip' \
	--transform "s,^${modules#/},go/pkg/mod," --transform "s,^$goroot,usr/local/go," \
	--directory / "$goroot" "${modules#/}" etc/ssl/certs/ca-certificates.crt |
	docker import \
		--change 'ENV PATH=/usr/local/go/bin GOROOT=/usr/local/go GOMODCACHE=/go/pkg/mod GOPROXY=off GOFLAGS=-mod=readonly' \
		- "$image" >/dev/null
echo "$image"
