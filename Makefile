# K3s-DaaS. `make up` starts a cluster on a development network; `make test` proves it. Each installs what it needs.
CARGO_PROFILE ?= dev
CARGO         ?= cargo
BIN           := target/$(if $(filter dev,$(CARGO_PROFILE)),debug,$(CARGO_PROFILE))
DAAS          := $(BIN)/k3s-daas
REST          := bench-footprint bench-join bench-api
LOAD          := bench-watches bench-revocation-fanout bench-bad-tokens bench-slow-readers bench-workers
E2E           := $(CARGO) test --locked -p daas-tests --test e2e --
.DEFAULT_GOAL := help
.PHONY: help prerequisites build-all engine clients contracts up down demo test test-chain kills outage fuzz lint bench bench-peers bench-token bench-index \
        bench-audit bench-proxy $(LOAD) $(REST)

help:               ## this list
	@grep -E '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 16
prerequisites:      ## Debian packages that nodes need (root), and a word on Rust, Go and Node
	@scripts/prerequisites.sh
build-all: prerequisites   ## all programs
	$(CARGO) build --profile $(CARGO_PROFILE) --locked --bins
engine: build-all   ## Kubernetes, containerd and kine from their Go modules, once, into a cache
	$(DAAS) engine
contracts:          ## compile the Move package with the real compiler and run its unit tests
	@scripts/contracts.sh
up: build-all       ## start a cluster; returns when it is ready
	$(DAAS) up
down:               ## stop it; `k3s-daas down --purge` also removes its state
	$(DAAS) down
demo: build-all contracts  ## the whole way once: stake, join, deploy, slash, restake
	$(DAAS) demo
clients:            ## kubectl 1.29, helm and the clients for Python and Node, once, into a cache
	@scripts/clients.sh
test: build-all contracts engine clients  ## everything: Move, unit, in-process and, as root, the real cluster
	$(CARGO) test --workspace --locked
	@scripts/e2e.sh $(BIN)
test-chain:         ## 1,000 random sequences through the development network's contract and, as Move tests, the real VM
	DAAS_SEQUENCES=1000 $(CARGO) test -p daas-devnet --locked --lib sequences -- --nocapture
kills: build-all engine  ## as root: kill -9 of all there is in 200 random orders on a real cluster; DAAS_KILLS, DAAS_KILLS_SEED
	DAAS_KILLS=$${DAAS_KILLS:-200} $(E2E) kills --nocapture
outage: build-all engine  ## as root: a quarter of an hour without the chain on a real cluster; DAAS_OUTAGE in seconds
	DAAS_OUTAGE=$${DAAS_OUTAGE:-900} $(E2E) outage --nocapture
fuzz:               ## what foreign bytes reach, under libFuzzer: FUZZ_TARGETS, each for FUZZ_SECONDS; needs a nightly compiler
	@scripts/fuzz.sh
lint:               ## formatting, clippy, licences and advisories
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny check; else echo "cargo-deny is not installed: licences and advisories not checked"; fi
bench: bench-revocation bench-token bench-index bench-audit $(LOAD) $(REST)  ## all benchmarks
bench-token: BENCH = -p daas-gateway --bench token
bench-index: BENCH = -p daas-chain --bench index
bench-audit: BENCH = -p daas-audit --bench audit
bench-proxy: BENCH = -p daas-gateway --bench proxy
bench-proxy: bench-peers
# What of a request is the log's is measured there.
bench-audit: bench-proxy
bench-peers:        ## nginx, HAProxy and h2load, which bench-proxy compares with (root)
	@scripts/bench-peers.sh
bench-token bench-index bench-audit bench-proxy:
	$(CARGO) bench --locked $(BENCH)
$(LOAD):
	$(CARGO) bench --locked -p daas-gateway --bench load -- $(@:bench-%=%)
# Memory and times of what is released are those of a release build.
$(REST):
	$(MAKE) CARGO_PROFILE=release build-all
	target/release/k3s-daas bench $(@:bench-%=%)
bench-%: build-all
	$(DAAS) bench $*
