# What a person does with this checkout; `make` alone explains itself.
# Builds go to CARGO_TARGET_DIR, outside the checkout unless it is set, so that a second clone or a
# cleaned tree does not compile the libraries again. `make build` still leaves the binary in target/release.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export CARGO_TARGET_DIR ?= $(HOME)/.cache/bedside/target
export CARGO_TERM_PROGRESS_WHEN ?= never

# Options of `make run`, e.g. `make run ARGS="--http 127.0.0.1:9000"`.
ARGS ?=

STEP = @printf '\n\033[1m== %s\033[0m\n'
NPM_STAMP := web-client/node_modules/.installed
WEB_SOURCES = $(shell find web-client/src web-client/public web-client/index.html web-client/vite.config.ts -type f 2>/dev/null)

.PHONY: help setup setup-test run build test test-fast test-cancel test-hours lint bench e2e web lint-rust lint-web test-rust test-web debug-binary \
	proofs endurance-audit endurance-keys endurance-kill attack-api attack-sql simulations mutants

help: ## Say what each target does
	@printf 'Bedside. Targets:\n'
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  \1\t\2/' | expand -t 14
	@printf 'Compiled parts are kept in CARGO_TARGET_DIR (now %s).\n' '$(CARGO_TARGET_DIR)'

setup: ## Install the system packages that are missing to build and run
	@scripts/setup run

setup-test:
	@scripts/setup test

run: setup build ## Build all and start the demo on http://127.0.0.1:8080
	@exec target/release/bedside serve --demo --http 127.0.0.1:8080 $(ARGS)

build: web ## Build the release binary: target/release/bedside
	$(STEP) 'server, release build'
	@cargo build --release --locked -p server
	@scripts/link-binary release bedside

test: setup-test ## Run every check and every test, the quick ones first
	@$(MAKE) lint test-web test-rust proofs e2e
	$(STEP) 'all checks passed'

test-fast: setup ## Run all but the browser tests
	@$(MAKE) lint test-web test-rust

lint: lint-web lint-rust ## Formatting, clippy, types, web lint (licences and sources of libraries are a test)

lint-rust: web
	$(STEP) 'formatting'
	@cargo fmt --all --check
	$(STEP) 'clippy'
	@cargo clippy --workspace --all-targets --locked --quiet -- -D warnings

lint-web: $(NPM_STAMP)
	$(STEP) 'web client: types and lint'
	@cd web-client && npm run --silent check
	@for file in web-client/e2e/*.mjs web-client/e2e/lib/*.mjs proofs/*.mjs proofs/lib/*.mjs scripts/*.mjs; do node --check $$file; done

test-web: $(NPM_STAMP)
	$(STEP) 'web client: unit tests'
	@cd web-client && npm test --silent

test-rust: web
	$(STEP) 'server: unit and integration tests, with a real PostgreSQL'
	@scripts/with-postgres scripts/cargo-test

e2e: setup-test web debug-binary ## Run the tests with real browsers
	$(STEP) 'visits in real browsers'
	@scripts/e2e

test-cancel: ## Cut off 10,000 requests in the middle; nothing may stay open (minutes)
	@BEDSIDE_CUT_OFF=10000 scripts/with-postgres cargo nextest run --workspace --locked --no-capture -E 'package(records) & test(cancelled_requests)'

test-hours: setup-test ## Run the tests of the API as if they were begun at each half-hour of a day (an hour)
	@for minutes in $$(seq 0 30 1410); do echo "begun $$minutes minutes later"; \
	  BEDSIDE_TEST_LATER=$$minutes scripts/with-postgres cargo nextest run --workspace --locked -E 'package(api) & binary(http)'; done

proofs: setup-test web debug-binary ## Attack a real server and kill it, in short
	$(STEP) 'canaries, forged and made-up requests, kill -9'
	@scripts/e2e proofs/forgery.spec.mjs proofs/canary.spec.mjs proofs/kill.spec.mjs proofs/api.spec.mjs

# The long forms of what `proofs` does in short; docs/testing.md says what they found.
KILLS ?= 200
EXAMPLES ?= 50
SEEDS ?= 1000

endurance-kill: setup-test web debug-binary ## kill -9 the server and PostgreSQL KILLS times under load
	@BEDSIDE_KILLS=$(KILLS) scripts/e2e proofs/kill.spec.mjs

attack-api: setup-test web debug-binary ## Ask the API with EXAMPLES made-up requests per route and role
	@BEDSIDE_EXAMPLES=$(EXAMPLES) scripts/e2e proofs/api.spec.mjs

attack-sql: setup-test web debug-binary ## Try to get SQL through every parameter of the API
	@scripts/e2e proofs/sql.spec.mjs

simulations: setup-test ## Play SEEDS random stories of rooms in memory (minutes)
	@BEDSIDE_SEEDS=$(SEEDS) cargo nextest run --workspace --locked --profile endurance --no-capture -E 'package(sfu-core) & test(whatever_happens)'

mutants: setup-test web ## Change the code that guards records, and see tests fail
	@scripts/mutants visit
	@scripts/mutants records

# The very build that the tests use: nothing is compiled a second time with other features.
debug-binary:
	@cargo build --locked --quiet --workspace --all-targets

endurance-audit: setup-test ## Change the audit log 10,000 times and kill its sealer 100 times: all found, nothing lost
	$(STEP) 'audit log: 10,000 changes to tables and exports each, 100 kills'
	@BEDSIDE_AUDIT_MUTATIONS=10000 BEDSIDE_AUDIT_KILLS=100 scripts/with-postgres cargo nextest run --profile endurance --locked --workspace \
	  --no-capture -E 'package(records) & (test(/^tampering::/) | test(a_sealer_that_is_killed))'

bench: setup-test build ## Measure; results in target/bench/summary.json
	@scripts/bench

endurance-keys: setup-test debug-binary ## Kill the renewal of keys 60 times beside writers
	@BEDSIDE_KEY_KILLS=$${BEDSIDE_KEY_KILLS:-60} scripts/with-postgres scripts/cargo-test --workspace --profile endurance --no-capture -E 'binary(keys) & test(killed)'

web: web-client/dist/index.html

$(NPM_STAMP): web-client/package-lock.json
	$(STEP) 'web client: packages'
	@cd web-client && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

web-client/dist/index.html: $(NPM_STAMP) $(WEB_SOURCES)
	$(STEP) 'web client: build'
	@cd web-client && npm run --silent build
	@touch $@
