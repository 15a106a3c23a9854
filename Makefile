# Siptrail: `make demo` shows it, `make test` proves it, `make lint` keeps it tidy.
SHELL := /bin/bash
.PHONY: demo test lint packages bench soak help

help: ## what there is
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## calls, some of which break, played live into a browser page on 127.0.0.1:8480
	cargo run --release --bin siptrail -- demo

test: packages ## installs what the tests need, starts it, runs every test
	scripts/tools nextest
	@# Another PostgreSQL may be named; else a private one is started. One test more than there are cores: some wait most of their time.
	NEXTEST_TEST_THREADS="$${NEXTEST_TEST_THREADS:-$$(($$(nproc) + 1))}" \
	SIPTRAIL_TEST_POSTGRES_URL="$${SIPTRAIL_TEST_POSTGRES_URL:-$$(scripts/postgres start)}" \
		cargo nextest run --workspace --no-fail-fast

lint: ## format, clippy, licences and sources of libraries
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	scripts/vocabulary
	scripts/tools deny
	cargo deny --log-level error check bans licenses sources

bench: ## figures of docs/performance.md
	scripts/postgres start
	scripts/postgres start durable
	cargo bench --workspace
	scripts/postgres stop durable

soak: ## ten minutes of kills, a full disk, locks, viewers and load, on both databases
	cargo build --release --bin siptrail --example soak
	scripts/postgres start
	target/release/examples/soak 600

packages:
	scripts/packages
