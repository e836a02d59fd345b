# The Dockerfile's images, from binaries that this machine has compiled: no stage needs a
# registry. `make images` fills the build context, dist/image. The Dockerfile decides what each
# image holds and how it runs; the gate compares the two.
FROM scratch AS runtime
ARG VERSION=dev
LABEL org.opencontainers.image.source="https://github.com/rollcall-events/rollcall" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY healthcheck /healthcheck
COPY --chown=65532:65532 rootfs/ /
USER 65532:65532

FROM runtime AS nats-server
LABEL org.opencontainers.image.title="rollcall/nats-server" \
      org.opencontainers.image.description="nats-server with JetStream, in the version that rollcall is tested with"
COPY nats-server /nats-server
COPY nats-server.conf /etc/nats/nats-server.conf
VOLUME /data
EXPOSE 4222 8222
HEALTHCHECK --interval=5s --timeout=5s --start-period=5s --retries=6 CMD ["/healthcheck", "http://127.0.0.1:8222/healthz"]
ENTRYPOINT ["/nats-server"]
CMD ["--config", "/etc/nats/nats-server.conf"]

FROM runtime AS ingest
LABEL org.opencontainers.image.title="rollcall/ingest" \
      org.opencontainers.image.description="The webhook target: verifies, stores, answers"
COPY ingest /ingest
ENV ROLLCALL_OUTBOX_DIR=/data/outbox
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=5s --start-period=5s --retries=6 CMD ["/healthcheck", "http://127.0.0.1:8081/readyz"]
ENTRYPOINT ["/ingest"]

FROM runtime AS enricher
LABEL org.opencontainers.image.title="rollcall/enricher" \
      org.opencontainers.image.description="Adds to every event who is in the conversation"
COPY enricher /enricher
HEALTHCHECK --interval=5s --timeout=5s --start-period=5s --retries=6 CMD ["/healthcheck", "http://127.0.0.1:8082/readyz"]
ENTRYPOINT ["/enricher"]

FROM runtime AS sandbox
LABEL org.opencontainers.image.title="rollcall/sandbox" \
      org.opencontainers.image.description="A fake Twilio and everything that talks to it, for tests"
COPY sandbox /sandbox
ENTRYPOINT ["/sandbox"]
