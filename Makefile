# haul. `make help` lists what there is.

SHELL        := /bin/bash
.SHELLFLAGS  := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS    += --no-print-directory

GO       ?= go
DATA     ?= ./data
ARGS     ?=
FUZZTIME ?= 10s
# How many packages are tested at once: most of them wait for daemons.
AT_ONCE  ?= 4
POINTS   ?= 1000
SEED     ?= 0
SUITES   ?= trixie sid
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# The version is stamped below, so go itself need not ask git, which may be
# missing or distrust the directory.
export GOFLAGS := $(strip $(shell $(GO) env GOFLAGS) -buildvcs=false)

PLUGINS  := $(patsubst plugins/%/main.go,%,$(wildcard plugins/*/main.go))
BUILD    := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X github.com/haul-dl/haul/core/internal/app.Version=$(VERSION)'
# In directories of modules of their own, since their dependencies are many.
# Tests and linters leave out what there are no servers for (see the tag few),
# which takes minutes to compile, and share what they have compiled.
STORAGES     := $(patsubst storages/%/main.go,%,$(wildcard storages/*/main.go))
STORAGE_ENV  := CGO_ENABLED=0 GOFLAGS='$(GOFLAGS) -trimpath -tags=few'
BUF      := $(GO) tool -modfile=tools/buf/go.mod buf
LINT     := $(GO) tool -modfile=tools/golangci-lint/go.mod golangci-lint
TEMPLATE_LINT := $(GO) tool -modfile=../../tools/golangci-lint/go.mod golangci-lint

RUN_DEPS  := aria2c=aria2 /etc/ssl/certs/ca-certificates.crt=ca-certificates
TEST_DEPS := $(RUN_DEPS) qbittorrent-nox=qbittorrent-nox transmission-daemon=transmission-daemon \
             setpriv=util-linux setfacl=acl /sbin/mkfs.btrfs=btrfs-progs gcc=gcc /usr/include/string.h=libc6-dev \
             /usr/bin/python3=python3 /usr/lib/python3/dist-packages/grpc=python3-grpcio \
             /usr/lib/python3/dist-packages/google/protobuf=python3-protobuf \
             /usr/sbin/apache2=apache2-bin /usr/lib/openssh/sftp-server=openssh-sftp-server \
             protoc=protobuf-compiler /usr/include/google/protobuf/any.proto=libprotobuf-dev

##@ Use

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/haul and bin/plugins/haul-downloader-NAME
	@mkdir -p bin/plugins
	$(BUILD) -o bin/haul ./core/cmd/haul
	@$(foreach p,$(PLUGINS),(set -x; $(BUILD) -o bin/plugins/haul-downloader-$(p) ./plugins/$(p));)

.PHONY: build-storages
build-storages: ## Build bin/plugins/haul-storage-NAME (takes minutes the first time)
	@mkdir -p bin/plugins
	@$(foreach p,$(STORAGES),(set -x; cd storages/$(p) && $(BUILD) -o ../../bin/plugins/haul-storage-$(p) .);)

.PHONY: run
run: build deps-run ## Build and start haul, ready to download (DATA=DIR, ARGS="--listen …")
	@exec bin/haul serve --data $(DATA) $(ARGS)

.PHONY: test
test: deps-test ## Run all tests with the race detector
	@$(MAKE) test-storages # first: it compiles what others would, among tests that watch the clock
	@CGO_ENABLED=1 $(GO) test -race -p $(AT_ONCE) -timeout 15m ./...

.PHONY: test-storages
test-storages: deps-test ## Test the plugins of storages with real servers (RACE=-race takes minutes more)
	@$(foreach p,$(STORAGES),(cd storages/$(p) && $(if $(RACE),CGO_ENABLED=1 $(GO) test -race -tags few,$(STORAGE_ENV) $(GO) test) -timeout 10m ./internal/...);)

.PHONY: test-matrix
test-matrix: deps-test ## Run the plugins' tests against the daemons of other Debian suites (SUITES="trixie sid")
	@scripts/test-matrix .cache/daemons $(SUITES)

##@ Develop

.PHONY: check
check: check-format check-generate check-proto check-modules check-layers lint ## All that can be said without running the product

.PHONY: lint
lint: ## Vet and lint
	@$(LINT) run --timeout 15m
	@cd sdk/template && $(TEMPLATE_LINT) run --config ../../.golangci.yml
	@$(foreach p,$(STORAGES),(cd storages/$(p) && $(STORAGE_ENV) $(TEMPLATE_LINT) run --config ../../.golangci.yml --timeout 15m ./internal/driver/...);)

.PHONY: fmt
fmt: ## Format the code
	@$(LINT) fmt

.PHONY: generate
generate: ## Generate code from sdk/proto and api/openapi.yaml
	@$(BUF) generate
	@$(GO) generate ./...

.PHONY: check-generate
check-generate: ## Fail if generated code is not up to date
	@scripts/check-generate

.PHONY: check-format
check-format: ## Fail if code is not formatted
	@$(LINT) fmt --diff
	@cd sdk/template && $(TEMPLATE_LINT) fmt --config ../../.golangci.yml --diff
	@$(foreach p,$(STORAGES),(cd storages/$(p) && $(TEMPLATE_LINT) fmt --config ../../.golangci.yml --diff);)

.PHONY: check-proto
check-proto: ## Lint the wire contract, and compare it with the one that plugins were built for
	@$(BUF) lint
	@$(BUF) breaking --against sdk/released

.PHONY: check-modules
check-modules: ## Fail if go.mod is not tidy
	@$(GO) mod tidy -diff
	@cd sdk/template && $(GO) mod tidy -diff
	@$(foreach p,$(STORAGES),(cd storages/$(p) && $(GO) mod tidy -diff);)
	@cd storages/rclone/internal/testservers && $(GO) mod tidy -diff

.PHONY: check-layers
check-layers: ## Fail if a package imports what it must not
	@$(GO) test ./internal/layers

.PHONY: bench
bench: deps-run ## Measure haul as a whole, and its parts
	@$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 30m ./internal/e2e
	@HAUL_BIG=1 $(GO) test -count=1 -v -run TestKill9WhileAFileIsCopied ./internal/e2e
	@$(GO) test -run '^$$' -bench . $$($(GO) list ./... | grep -v /internal/e2e$$)

.PHONY: crash
crash: deps-test ## Kill core, plugins and daemons at 1,000 points, in 15 minutes at most (POINTS=1000, SEED=0 chooses one)
	@$(GO) test -count=1 -v -timeout 20m -run TestCrashes ./internal/crash \
	  -points $(POINTS) -seed $(SEED) -worlds 3 -bound 13m -keep $(CURDIR)/.cache/crash
	@$(GO) test -count=1 -run TestEveryInterleaving ./core/internal/worker -rapid.checks=10000

.PHONY: fuzz
fuzz: ## Run each fuzz target for a while (FUZZTIME=10s)
	@scripts/fuzz $(FUZZTIME)

.PHONY: clean
clean: ## Remove what was built; downloads stay
	@rm -rf bin

##@ Install what is needed

.PHONY: deps-run
deps-run: ## Install aria2 if it is missing and we may
	@scripts/install-missing $(RUN_DEPS)

.PHONY: deps-test
deps-test: ## Install the daemons and the compiler that the tests need
	@scripts/install-missing $(TEST_DEPS)
