#!/usr/bin/env bash
# Builds every image from binaries compiled here: no registry is asked for anything.
#
#   deploy/images.sh [context]     (default: dist/image)
#
# TAG (default dev) is the images' tag, VERSION (default dev) what the programs report as their version.
# It compiles only what has changed.
set -euo pipefail
cd "$(dirname "$0")/.."

context=${1:-dist/image}
tag=${TAG:-dev}
version=${VERSION:-dev}

# The engine's architecture may not be this machine's. Go's names for them are Docker's.
arch=$(docker version --format '{{.Server.Arch}}')

# Prints the first CA bundle found in the places where systems keep one.
authorities() {
	local file
	for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
		/etc/ssl/ca-bundle.pem /etc/ssl/cert.pem; do
		if [[ -s $file ]]; then
			echo "$file"
			return
		fi
	done
	echo "images: no CA certificates on this machine: install ca-certificates, or set SSL_CERT_FILE" >&2
	return 1
}

mkdir -p "$context/rootfs/data"
cp -f "$(authorities)" "$context/ca-certificates.crt"
cp -f deploy/nats/nats-server.conf "$context/nats-server.conf"
chmod 0644 "$context/ca-certificates.crt" "$context/nats-server.conf"
CGO_ENABLED=0 GOOS=linux GOARCH=$arch go build -trimpath -buildvcs=false \
	-ldflags "-s -w -X main.version=$version" -o "$context/" \
	./cmd/... github.com/nats-io/nats-server/v2

# Shows the builder's output only when it fails.
build() {
	local said
	said=$(docker build --quiet --file deploy/prebuilt.Dockerfile --build-arg "VERSION=$version" \
		--target "$1" --tag "rollcall/$1:$tag" "$context" 2>&1) || { echo "$said" >&2; return 1; }
	echo "rollcall/$1:$tag"
}

for target in nats-server ingest enricher sandbox; do
	build "$target"
done
