# What a developer does here. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash

LINT     := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.2
COMPOSE  := $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
FUZZTIME ?= 200000x
DURATION ?= 30m
# A cache shared with another checkout reports that one's paths.
export GOLANGCI_LINT_CACHE := $(CURDIR)/dist/lint
BENCH    ?= .
COUNT    ?= 6

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: test
test: ## Run all tests with the race detector, shuffled; containers where a Docker engine answers
	go test -race -shuffle=on ./...

.PHONY: lint
lint: ## Check the formatting and lint
	@go list -f '{{.Dir}}' ./... | xargs gofmt -l | { ! grep .; }
	go vet ./...
	$(LINT) run ./...

.PHONY: fuzz
fuzz: ## Fuzz each target with FUZZTIME inputs (200000x), or for a time (5m)
	.ci/fuzz $(FUZZTIME)

.PHONY: bench-micro
bench-micro: ## Run the benchmarks that match BENCH (all) COUNT times (6); dist/bench-micro.txt is for benchstat
	@mkdir -p dist
	set -o pipefail; go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) ./... | tee dist/bench-micro.txt

.PHONY: bench
bench: ## Measure everything and what it is made of, into docs/BENCHMARKS.md; BENCHFLAGS adds flags (--soak 1h)
	go run ./cmd/bench --docs docs --json dist/bench.json --profiles dist $(BENCHFLAGS)

.PHONY: bench-short
bench-short: ## The same, small, to show that it works: no time is judged
	go run ./cmd/bench --short $(BENCHFLAGS)

.PHONY: soak
soak: ## Send webhooks for DURATION (30m) while everything fails in turn, and judge what came out
	go test ./internal/chaos -run '^TestSoak$$' -soak $(DURATION) -timeout 0 -v

.PHONY: images
images: ## Build all images from binaries compiled here; no registry is asked
	deploy/images.sh

.PHONY: builder
builder: ## Make rollcall/builder:dev, a BUILDER for the Dockerfile, from this machine's Go
	deploy/builder.sh

.PHONY: up
up: images ## Run NATS, ingest and enricher with compose
	$(COMPOSE) up --detach

.PHONY: down
down: ## Stop what `make up` or `make sandbox-up` started, and delete its data
	$(COMPOSE) --profile sandbox down --volumes --remove-orphans

.PHONY: sandbox-up
sandbox-up: images ## Run the same with the fake Twilio, and send it a story
	$(COMPOSE) --profile sandbox up

.PHONY: sandbox
sandbox: ## Run everything in one process, without Docker
	go run ./cmd/sandbox

.PHONY: ci
ci: ## Run the gate, all that a change must pass
	.ci/run
