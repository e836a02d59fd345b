# Builds every image of rollcall: targets ingest, enricher, sandbox and nats-server.
#
#   docker build --target ingest -t rollcall/ingest:dev .
#
# BUILDER needs nothing but a Go toolchain on its PATH and CA certificates, no shell: each
# RUN is in exec form. BASE may be any image: the binaries are static. Without a
# registry, `make builder` makes a BUILDER from this machine's own toolchain, and
# `make images` the same images without any.
ARG BUILDER=golang:1.26
ARG BASE=scratch

FROM ${BUILDER} AS build
ARG VERSION=dev
ENV CGO_ENABLED=0 GOTOOLCHAIN=local GOCACHE=/cache \
    GOFLAGS="-trimpath -buildvcs=false '-ldflags=-s -w -X main.version=${VERSION}'"
# Go's temporary files and the empty directory that volumes take their owner from.
WORKDIR /tmp
WORKDIR /rootfs/data
WORKDIR /src
# nats-server first: it changes with go.mod alone.
COPY go.mod go.sum ./
RUN ["go", "build", "-o", "/out/nats-server", "github.com/nats-io/nats-server/v2"]
COPY . .
RUN ["go", "build", "-o", "/out/", "./cmd/..."]

FROM ${BASE} AS runtime
ARG VERSION=dev
LABEL org.opencontainers.image.source="https://github.com/rollcall-events/rollcall" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/healthcheck /healthcheck
# A new named volume on /data takes this directory's owner, so that non-root can write to it.
COPY --from=build --chown=65532:65532 /rootfs/ /
# 65532 is "nonroot" by the convention of distroless images.
USER 65532:65532

FROM runtime AS nats-server
LABEL org.opencontainers.image.title="rollcall/nats-server" \
      org.opencontainers.image.description="nats-server with JetStream, in the version that rollcall is tested with"
COPY --from=build /out/nats-server /nats-server
COPY deploy/nats/nats-server.conf /etc/nats/nats-server.conf
VOLUME /data
EXPOSE 4222 8222
HEALTHCHECK --interval=5s --timeout=5s --start-period=5s --retries=6 CMD ["/healthcheck", "http://127.0.0.1:8222/healthz"]
ENTRYPOINT ["/nats-server"]
CMD ["--config", "/etc/nats/nats-server.conf"]

FROM runtime AS ingest
LABEL org.opencontainers.image.title="rollcall/ingest" \
      org.opencontainers.image.description="The webhook target: verifies, stores, answers"
COPY --from=build /out/ingest /ingest
ENV ROLLCALL_OUTBOX_DIR=/data/outbox
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=5s --start-period=5s --retries=6 CMD ["/healthcheck", "http://127.0.0.1:8081/readyz"]
ENTRYPOINT ["/ingest"]

FROM runtime AS enricher
LABEL org.opencontainers.image.title="rollcall/enricher" \
      org.opencontainers.image.description="Adds to every event who is in the conversation"
COPY --from=build /out/enricher /enricher
HEALTHCHECK --interval=5s --timeout=5s --start-period=5s --retries=6 CMD ["/healthcheck", "http://127.0.0.1:8082/readyz"]
ENTRYPOINT ["/enricher"]

FROM runtime AS sandbox
LABEL org.opencontainers.image.title="rollcall/sandbox" \
      org.opencontainers.image.description="A fake Twilio and everything that talks to it, for tests"
COPY --from=build /out/sandbox /sandbox
ENTRYPOINT ["/sandbox"]
