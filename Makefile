# `make` prints the targets.
FUZZTIME ?= 20s
export SOAK ?= 20m
# ENGINE names a directory of `make engines`: make e2e ENGINE=.engines/valkey-9.1
ENGINE ?=
export SLOTWRIGHT_ENGINE := $(if $(ENGINE),$(abspath $(ENGINE)))

servers = .ci/install redis-server redis-cli
linter = bin/golangci-lint

.PHONY: help build test race e2e e2e-stories e2e-truth e2e-kube kube matrix matrix-smoke movers mixed soak bench fuzz lint demo demo-gitops demo-kube engines manifests testbed testbed-test clean

help: ## print the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "%-12s %s\n", $$1, $$2 }'

build: ## bin/slotwright
	go build -o bin/slotwright ./cmd/slotwright

# RACE=-race runs the product's with the race detector.
RACE ?=
test: ## all tests but the end-to-end ones
	@$(servers)
	go test $(RACE) -timeout 20m ./...
	go test -C deploy/testbed ./...

race: ## the same, with the race detector
	@$(MAKE) test RACE=-race

e2e: e2e-stories e2e-truth ## the command against real servers; with -j2 in half the time

# What takes minutes each: clients that demand every version, whatever falls.
truth = ClientsAreTold|OnlyAMaster|APersonWho|AHashOf|KeysOfEveryType|SlotsThatHold|TransactionsStay|AnInterruptedRun|AClusterLivesByCommits|ARunKilled

e2e-stories:
	@$(servers) jq sshd
	go test -tags e2e -timeout 40m -count 1 -skip '^Test($(truth))' ./cmd/slotwright/e2e

e2e-truth:
	@$(servers) sshd
	go test -tags e2e -timeout 40m -count 1 -run '^Test($(truth))' ./cmd/slotwright/e2e

# In a Kubernetes of its own; TESTS chooses by regular expression.
TESTS ?= .
e2e-kube: testbed ## the command against real pods
	@$(servers)
	@.ci/engines redis-7.0 && .ci/engines redis-8.0
	@CGO_ENABLED=0 go build -trimpath -o bin/slotwright ./cmd/slotwright
	@go build -C deploy/render -o /dev/null . # what it needs can't be had in there
	@export KUBEBUILDER_ASSETS=$$(deploy/testbed/build); dir=$$(mktemp -d) && trap 'bin/testbed down --dir $$dir' EXIT && \
	bin/testbed up --dir $$dir --image redis:7.0=.engines/redis-7.0/root --image redis:8.0=.engines/redis-8.0/root --image slotwright:dev=bin/slotwright --nodes 6 --zones a,b,c && \
	bin/testbed exec --dir $$dir go test -tags e2ekube -timeout 60m -count 1 -run '$(TESTS)' -v ./cmd/slotwright/e2ekube

kube: ## the platform kubernetes, the chart and the overlays against a real API server
	assets=$${KUBEBUILDER_ASSETS:-$$(deploy/testbed/build controlplane)} && KUBEBUILDER_ASSETS=$$(cd "$$assets" && pwd) go test -tags apiserver -count 1 ./reconcile/platform/kube

# What a newer server could do otherwise: the whole life, parts that fail, marks
# on replicas, whom members tell to forget. `make e2e-stories ENGINE=...` runs all.
core = ACommittedShape|AHalfMoved|AKeyWrittenAnew|AForgotten|ADeadMaster|ALeavingShard|ADrainedMaster|AReplacedNode
# Servers that move slots by themselves, and marks that replicas have to agree to.
movers = AnAtomic|ASource|AModule|Jobs|AJob|ALeftOver|WhatACancelled|AMoveThatIsStopped|AllSources|MarksThat|CopiesAreDeleted
# Clusters of two engines, and Valkey's databases.
mixed = AClusterIsGrownAndShrunk|KeysOfEveryDatabase|AKeyInAnother

matrix: core-redis-8.0 core-valkey-8 core-valkey-9.1 movers mixed ## the core of the end-to-end tests on the other engines; with -j2 in half the time

matrix-smoke: core = ACommittedShape
matrix-smoke: mixed = AClusterIsGrownAndShrunk
matrix-smoke: matrix ## less of it: on each engine a cluster is grown and shrunk under clients

core-%: engines
	@$(servers)
	SLOTWRIGHT_ENGINE=$(CURDIR)/.engines/$* go test -tags e2e -timeout 20m -count 1 -run '^Test($(core))' ./cmd/slotwright/e2e

movers: engines
	go test -tags engines -timeout 10m -count 1 -run '^Test($(movers))' ./reconcile/live

mixed: engines
	@$(servers)
	SLOTWRIGHT_ENGINE= go test -tags 'e2e engines' -timeout 20m -count 1 -run '^Test($(mixed))' ./cmd/slotwright/e2e

soak: ## the daemon for SOAK, with everything around it failing; SOAK_SEED repeats a run
	@$(servers)
	go test -tags 'e2e soak' -timeout 24h -count 1 -v -run '^TestSoak$$' ./cmd/slotwright/e2e

bench: ## the speed of all that has a bar, side by side with redis-cli
	@$(servers)
	@test -x .engines/valkey-9.1/bin/valkey-server || .ci/engines valkey-9.1
	go test -tags bench -run '^$$' -bench . -benchtime 1x -timeout 60m ./cmd/slotwright/bench

fuzz: ## every fuzz target for FUZZTIME
	@grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed 's/:func / /' | sort | while read -r file target; do \
		echo "$$target in $$(dirname "$$file")"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" || exit 1; \
	done

lint: $(linter) ## vet, the pinned linter, shellcheck, the alert rules
	@.ci/install shellcheck promtool
	shellcheck .ci/run .ci/install .ci/engines deploy/testbed/build -x examples/demo.bash examples/quickstart/demo.sh examples/gitops/demo.sh examples/kubernetes/demo.sh
	promtool check rules deploy/monitoring/alerts.yaml
	promtool test rules deploy/monitoring/alerts_test.yaml
	go vet ./...
	go vet -tags e2e,e2ekube,apiserver,engines,bench,soak ./...
	$(linter) run --timeout 15m
	cd deploy/render && $(abspath $(linter)) run --timeout 15m --config $(CURDIR)/.golangci.yml ./...
	cd deploy/testbed && $(abspath $(linter)) run --timeout 15m --config $(CURDIR)/.golangci.yml ./...

# The linter's own modules stay out of the product's go.mod.
$(linter): .ci/tools.mod .ci/tools.sum
	go build -modfile=.ci/tools.mod -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

demo: build ## six servers on this machine: create, grow, shrink, lose nothing
	@$(servers)
	examples/quickstart/demo.sh

demo-gitops: build ## two daemons follow a repository here: create, grow, a typo, a revert
	@$(servers)
	examples/gitops/demo.sh

demo-kube: build ## pods over three zones, where kubectl's context is, else in the testbed
	@if kubectl config current-context >/dev/null 2>&1; then examples/kubernetes/demo.sh; else \
	$(MAKE) testbed && .ci/engines redis-7.0 && \
	export KUBEBUILDER_ASSETS=$$(deploy/testbed/build); dir=$$(mktemp -d) && trap 'bin/testbed down --dir $$dir' EXIT && \
	bin/testbed up --dir $$dir --image redis:7.0=.engines/redis-7.0/root && \
	bin/testbed exec --dir $$dir examples/kubernetes/demo.sh; fi

engines: ## Redis 7.0 and 8.0, Valkey 8 and 9.1 into .engines/
	.ci/engines

manifests: ## render the chart and the overlays, and hold them against what they were
	cd deploy/render && go test ./...

testbed: ## a Kubernetes of its own for tests: bin/testbed, and its servers in .kube/, built once
	@.ci/install containerd runc busybox /usr/lib/cni/bridge
	@deploy/testbed/build
	go build -C deploy/testbed -o $(CURDIR)/bin/testbed ./cmd/testbed

testbed-test: testbed ## start it, break it in every way it offers, and look for what it left
	@.ci/engines redis-7.0
	go test -C deploy/testbed -tags testbed -count 1 -v -timeout 20m ./cmd/testbed

clean: ## remove what was built; not the engines, nor the testbed's servers
	rm -rf bin .cache
	go clean -testcache
