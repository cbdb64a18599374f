# make demo    a federation over 3 MPI ranks on a generated cohort
# make test    what every change must pass
# make help    the rest

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup setup-test build install demo test lint fmt doc bench dist accept

VERSION := $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
ARCHIVE := dist/osteon-$(VERSION)-src.tar.gz
NEXTEST_PROFILE ?= default
MPIRUN ?= mpirun --oversubscribe
PREFIX ?= /usr/local

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## install what the build needs, if it is missing
	@bash setup.sh

setup-test: ## and what the tests need: Slurm, Environment Modules
	@bash setup.sh test

build: setup ## the binary, target/release/osteon
	cargo build --release --locked

install: build ## binary, completions and modulefile below PREFIX
	@bash slurm/install.sh "$(PREFIX)"

# Open MPI refuses to run as root, as in a container, unless told twice.
demo: export OMPI_ALLOW_RUN_AS_ROOT = 1
demo: export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM = 1
demo: build ## train a federation over 3 MPI ranks, end to end
	@if command -v $(firstword $(MPIRUN)) >/dev/null; then \
	  $(MPIRUN) -n 3 target/release/osteon demo --restart --threads 1 --out target/demo; \
	else \
	  echo "no $(firstword $(MPIRUN)): the sites share one process"; \
	  target/release/osteon demo --restart --out target/demo; \
	fi

test: setup-test lint ## format, lints, tests, docs, the build without system libraries
	@eval "$$(bash kernels/shim/nvrtc.sh || echo "echo 'skipped: NVRTC cannot be fetched, so nothing is compiled for NVIDIA devices'")"; \
	if cargo nextest --version >/dev/null 2>&1; then \
	  cargo nextest run --cargo-profile release --workspace --locked --profile $(NEXTEST_PROFILE); \
	  cargo test --release --workspace --locked --doc; \
	else \
	  cargo test --release --workspace --locked --no-fail-fast; \
	fi
	@$(MAKE) --no-print-directory doc
	cargo check --release --workspace --locked --no-default-features

lint: ## format and lints
	cargo fmt --all --check
	cargo clippy --release --workspace --locked --all-targets -- -D warnings

fmt: ## format the sources
	cargo fmt --all

doc: ## the documentation of every crate, in target/doc
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --locked --no-deps

bench: setup ## Osteon beside its peers and the machine's limits, one table
	bash benchmarks/run.sh

dist: ## a source archive that builds without a network
	@bash tests/dist.sh pack $(VERSION) $(ARCHIVE)

accept: test dist ## the long checks
	cargo test --release --workspace --locked --test accept -- --ignored --test-threads 1
	bash tests/dist.sh check $(VERSION) $(ARCHIVE)
	bash tests/mpich.sh
	bash tests/easybuild.sh $(ARCHIVE)
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; else echo "skipped: cargo deny is not installed"; fi
