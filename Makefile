# Everything a developer or CI runs. `make` lists the targets; on Linux nothing but Python 3.11 need be installed.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# A python that is 3.11, since the locks are for it; `make PYTHON=/path/to/python3.11` names one.
PYTHON ?= $(shell for python in python3.11 python3 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo "$$python" && break; done)
BIN := .venv/bin
BENCH := var/bench-venv
JOBS ?= $(shell nproc)
# Tests on Kafka wait half of their time: half as many processes again as there are cores keep these busy.
TEST_JOBS ?= $(shell echo $$(( ($(JOBS) * 3 + 1) / 2 )))
# Tests of one file share what is costly to make: a process takes whole files, in the order of tests/conftest.py.
BY_FILE := --dist loadfile --no-loadscope-reorder --numprocesses
PURE := --ignore=tests/simulation --ignore=tests/crash
UNIT := -m "not kafka and not slow" --hypothesis-profile=unit $(PURE) $(BY_FILE) $(JOBS)
LOCKS := requirements/uv.txt requirements/build.txt requirements/dev.txt
# The stamp's name carries the folder: a copied or moved environment is made anew, its scripts point elsewhere.
STAMP := .venv/.set-up-$(shell pwd | cksum | cut -d' ' -f1)
UV_LOCK := $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11 \
	--custom-compile-command "make lock"

# uv keeps a cache in the home; without a home that can be written it does without.
ifneq ($(shell test -d "$${HOME:-}" && test -w "$${HOME:-}" && echo writable),writable)
export UV_NO_CACHE := 1
endif
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Tests and the demo start hundreds of processes: without its bytecode on disk each compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test unit check coverage examples docs contracts bench crash mutated amlsim simulate mutation lock clean
.PHONY: distclean amlrules

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(STAMP) ## make .venv from the locks and fetch the broker's jars

$(STAMP): $(LOCKS) pyproject.toml ops/broker/jars.sha256
	@test -n "$(PYTHON)" || { echo "Python 3.11 was not found; name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@if ! $(BIN)/python -c '' 2>/dev/null || ! grep -qF "$(CURDIR)/.venv" $(BIN)/activate; then \
		echo "making .venv"; rm -rf .venv; "$(PYTHON)" -m venv .venv; fi
	@rm -f .venv/.set-up-*
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes $(LOCKS)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	$(BIN)/python -m ops.broker fetch
	@touch $@

demo: $(STAMP) ## the whole pipeline on this machine in about a minute, with a worker killed in the middle
	$(BIN)/walletstream demo

test: $(STAMP) ## all tests, on a real Kafka; ends with the slowest
	$(BIN)/python -m pytest --durations 20 --durations-min 5 $(BY_FILE) $(TEST_JOBS)

unit: $(STAMP) ## the tests that need no broker and are quick
	$(BIN)/python -m pytest $(UNIT)

check: $(STAMP) ## style, format, types, and which room may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: $(STAMP) ## branch coverage of the pure modules by all tests that need no broker; fails below 95 %
	$(BIN)/python -m pytest -m "not kafka" $(PURE) $(BY_FILE) $(JOBS) --cov

examples: $(STAMP) ## play the stories and write schemas/examples from them
	$(BIN)/python -m ops.story
	$(BIN)/python -m tests.settlement.examples
	$(BIN)/python -m tests.reconciliation.examples

docs: $(STAMP) ## write the reference pages in docs/reference from the code
	$(BIN)/python -m ops.reference

contracts: $(STAMP) ## write schemas/generated from the code and refuse what would break the last release
	$(BIN)/python -m ops.contracts.generate
	$(BIN)/python -m ops.contracts.gate

bench: $(STAMP) $(BENCH)/.made ## throughput, latency and restore beside other pipelines
	$(BIN)/walletstream bench

# Quix Streams wants older versions of what we use: an environment of its own.
$(BENCH)/.made: requirements/bench.txt $(STAMP)
	@mkdir -p var
	"$(PYTHON)" -m venv --clear $(BENCH)
	$(BIN)/uv pip sync --quiet --python $(BENCH)/bin/python --require-hashes requirements/bench.txt
	@touch $@

crash: $(STAMP) ## two hundred kill -9 at random moments on a real Kafka: ledger, settlement, reconciliation
	$(BIN)/python -m tests.crash.campaign
	$(BIN)/python -m tests.settlement.campaign
	$(BIN)/python -m tests.reconciliation.campaign

mutated: $(STAMP) ## a hundred thousand mutated records among as many good ones, on a real Kafka
	$(BIN)/python -m tests.crash.mutated

amlsim: $(STAMP) ## AMLSim to the cent, with workers killed by -9, on a real Kafka
	$(BIN)/python -m tests.crash.amlsim

amlrules: $(STAMP) ## precision and recall of the published fraud rules on AMLSim
	$(BIN)/walletstream fraud amlsim

simulate: $(STAMP) ## sixteen thousand seeds of the deterministic simulation: ledger, settlement, reconciliation, fraud
	$(BIN)/python -m tests.simulation.campaign
	$(BIN)/python -m tests.simulation.campaign --machine settlement --seeds 3000
	$(BIN)/python -m tests.simulation.campaign --machine reconciliation --seeds 2000
	$(BIN)/python -m tests.simulation.campaign --machine fraud --seeds 1000

# What was tried is remembered in mutants/ and not tried again until it changes or ONLY names it.
mutation: $(STAMP) ## mutation testing of decide and apply; ONLY="agents.ledger.draft*" takes some modules
	$(BIN)/mutmut run --max-children $(JOBS) $(if $(ONLY),"$(ONLY)")
	@echo "mutants that no test has killed:"
	@$(BIN)/mutmut results | grep -v ': not checked$$' || true
	@$(BIN)/mutmut export-cicd-stats >/dev/null && cat mutants/mutmut-cicd-stats.json && echo

lock: $(STAMP) ## write requirements/*.txt anew from pyproject.toml; UPGRADE=--upgrade takes newer versions
	$(UV_LOCK) $(UPGRADE) requirements/uv.in -o requirements/uv.txt
	$(UV_LOCK) $(UPGRADE) --extra dev pyproject.toml -o requirements/dev.txt
	$(UV_LOCK) $(UPGRADE) requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	$(UV_LOCK) $(UPGRADE) pyproject.toml -c requirements/dev.txt -o requirements/worker.txt
	$(UV_LOCK) $(UPGRADE) requirements/bench.in -o requirements/bench.txt

clean: ## remove what runs, tests and builds leave, data of a local broker and of workers among it
	rm -rf var build dist mutants .coverage coverage.xml
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -path ./.venv -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## clean, and remove .venv
	rm -rf .venv
