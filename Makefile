# Start with make demo and make test; make help lists all targets.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
# The first interpreter that is at least 3.11; set PYTHON to use another one.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
# Many container images set it. pytest then recompiles every test module in each worker: 7 s of CPU each time.
unexport PYTHONDONTWRITEBYTECODE
# Two steps: runtime dependencies take 85 MB, those of tests and checks another 700 MB.
RUNS := $(VENV)/.runs
STAMP := $(VENV)/.made-from-the-pins
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PINNED := $(PIP) --require-hashes --only-binary :all:
# Debian packages for the end-to-end tests.
TEST_TOOLS := prometheus prometheus-alertmanager prometheus-blackbox-exporter chromium nginx-light buildah \
	debootstrap curl iproute2 $(shell command -v npm >/dev/null || echo nodejs npm)

# The image: its base, its name, and the program that builds it (docker only if its daemon runs).
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' exporter/__init__.py)
BASE ?= $(shell sed -n 's/^ARG BASE=//p' Dockerfile)
TAG ?= pingone-flow-exporter:$(VERSION)
IMAGE_BUILDER ?= $(shell command -v buildah >/dev/null && echo buildah build --layers \
		$(if $(SOURCE_DATE_EPOCH),--no-cache --timestamp $(SOURCE_DATE_EPOCH)) \
	|| { docker info >/dev/null 2>&1 && echo docker build; })

# Tests that start programs: Prometheus, promtool, Helm, a browser, an image builder, or the installed command.
WITH_PROCESSES := chart dashboards e2e faults harness_tests image network rules test_install.py test_main.py

.PHONY: help venv setup demo test test-busy test-slow test-tls cluster-test unit bench soak mutation fuzz lint format image test-tools \
	docs rules pins clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

venv: $(RUNS) ## create .venv with the exporter and its pinned dependencies

$(RUNS): requirements.txt requirements-build.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is required; install it or run make PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot create virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	"$(PYTHON)" -m venv --clear $(VENV)
	$(PINNED) -r requirements.txt -r requirements-build.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(STAMP) ## venv plus everything that tests and checks need

$(STAMP): $(RUNS) requirements-dev.txt
	$(PINNED) -r requirements-dev.txt
	@touch $@

demo: venv ## run simulator and exporter together, no configuration; Ctrl-C stops it
	@$(BIN)/pingone-flow-exporter demo $(DEMO)

# Four workers, for on two cores they wait most of the time. One file per worker: its fixtures start servers.
PARALLEL := --numprocesses 4 --dist loadfile --no-loadscope-reorder

test: setup ## run all tests; coverage of exporter/ must be at least 95 %
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=term

# No test may depend on the machine's speed.
BURNERS := 1 2 3 4
test-busy: setup ## run all tests beside four busy loops
	@pids=; for number in $(BURNERS); do $(BIN)/python -c 'while True: pass' & pids="$$pids $$!"; done; \
	trap 'kill $$pids' EXIT; $(MAKE) test

unit: setup ## run the unit tests only: those that start no program
	$(BIN)/python -m pytest $(PARALLEL) $(addprefix --ignore=tests/,$(WITH_PROCESSES))

# What Python itself decides about TLS differs from 3.11 to 3.13, the image's. A Python of pyenv's will do.
IMAGE_PYTHON ?= $(shell for p in python3.13 "$$HOME"/.pyenv/versions/3.13.*/bin/python3.13; do \
	"$$p" -c 'import ensurepip, venv' 2>/dev/null && { echo "$$p"; break; }; done)
TLS_VENV := $(VENV)/3.13
TLS_TESTS := $(addprefix tests/,test_tls.py probing/test_ssl_contexts.py probing/test_certificate.py \
	probing/test_exchange_failures.py serving/test_tls_connections.py)

test-slow: setup ## run the tests that take minutes, among them a thousand reloads
	$(BIN)/python -m pytest -m slow

test-tls: ## run the TLS tests on the image's Python, 3.13, if it is installed
	@if test -z "$(IMAGE_PYTHON)"; then echo "skipped: the TLS tests on Python 3.13, which is not installed"; exit; fi; \
	set -ex; "$(IMAGE_PYTHON)" -m venv --clear $(TLS_VENV); \
	sed -n 's/^\([a-z0-9-]*\)[^=]*==\([^ ;]*\).*/\1==\2/p' requirements-dev.txt >$(TLS_VENV)/pins.txt; \
	pip="$(TLS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all:"; \
	$$pip --require-hashes -r requirements.txt; \
	$$pip -c $(TLS_VENV)/pins.txt hypothesis pytest pytest-timeout pyyaml trustme; \
	$(TLS_VENV)/bin/python -m pytest $(TLS_TESTS)

# Needs Go 1.26 and etcd (Debian: etcd-server). The API server is built once, into the user's cache.
cluster-test: setup ## run the chart's tests with a real Kubernetes API server (builds it: 20 minutes of CPU, once)
	$(BIN)/python tests/cluster/build.py
	$(BIN)/python -m pytest -m cluster tests/cluster

bench: setup ## measure the exporter beside blackbox_exporter (12 minutes; BENCH=--quick takes 2)
	$(BIN)/python -m benchmarks $(BENCH)

soak: setup ## ten minutes of faults, reloads and hostile clients: nothing is lost, doubled or grows (SOAK="--minutes 2")
	$(BIN)/python -m benchmarks.soak $(SOAK)

# MUTATION="judge.py --sample 0" tries all mutants of one module.
mutation: setup ## change judges, schedule and log wrongly, one change at a time: tests must notice 90 % (20 minutes)
	$(BIN)/python -m benchmarks.mutation $(MUTATION)

FUZZ_MINUTES ?= 10
fuzz: setup ## feed generated bytes to all that reads bytes from outside, for FUZZ_MINUTES of CPU (10)
	$(BIN)/python -m benchmarks.fuzz --minutes $(FUZZ_MINUTES) $(FUZZ)

lint: setup ## ruff with all rules, formatting, mypy strict, hadolint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

format: setup ## fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

image: ## build the container image; BASE=… sets the base image, TAG=… the name, SOURCE_DATE_EPOCH=… all dates
	@builder="$(IMAGE_BUILDER)"; test -n "$$builder" || { \
		echo "neither buildah nor a docker daemon found; on Debian: apt-get install buildah" >&2; exit 1; }; \
	set -x; $$builder --build-arg BASE="$(BASE)" --build-arg VERSION="$(VERSION)" \
		--build-arg REVISION="$$(git rev-parse --verify --quiet HEAD || true)" --tag "$(TAG)" .

# The chart installs the image IMAGE; without it the one that values.yaml names.
dist: setup ## the files of a release: wheel, sdist, chart, bill of materials, checksums; IMAGE=… is the chart's
	rm -f dist/pingone* dist/SHA256SUMS
	SOURCE_DATE_EPOCH="$$(git log -1 --format=%ct)" $(BIN)/python docs/release_files.py --image "$(IMAGE)" dist

# A Go module, built from source: its packages elsewhere are forks, or download a program when they are installed.
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

lint-workflows: ## actionlint, if it or Go is installed
	@if command -v actionlint >/dev/null; then set -x; actionlint; \
	elif command -v go >/dev/null; then set -x; go run $(ACTIONLINT); \
	else echo "skipped: actionlint, which needs Go" >&2; fi

release-check: setup lint-workflows ## prove that a release can be made, all but publishing it (10 minutes)
	$(BIN)/python -m pytest tests/release tests/image -m "release or not slow"

docs: setup ## regenerate the generated docs
	$(BIN)/python docs/generate.py

# The exporter's address in links, Grafana's (optional), a copy of the runbooks (optional), and how commands in alerts ask
# the exporter if its port has TLS or a login (optional; until the host).
rules: setup ## write the rule files for a Prometheus without Helm: EXTERNAL_URL=… [DASHBOARD_URL=…] [RUNBOOK_URL=…] [CURL=…]
	@test -n "$(EXTERNAL_URL)" || { echo "set EXTERNAL_URL to where people open the exporter" >&2; exit 1; }
	$(BIN)/python docs/rule_files.py --external-url "$(EXTERNAL_URL)" --dashboard-url "$(DASHBOARD_URL)" \
		--runbook-url "$(RUNBOOK_URL)" --curl "$(CURL)" dist/rules

test-tools: ## install the programs for the end-to-end tests (Debian, as root)
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3-venv $(TEST_TOOLS)

# Keep the extras: pip treats `coverage[toml]` as a package other than the pinned `coverage`, looks for its newest
# release, and fails, because that has no hash.
pins: ## update the pinned requirements*.txt (needs uv on PATH)
	uv pip compile -q --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--custom-compile-command "make pins" pyproject.toml -o requirements.txt
	uv pip compile -q --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		-c requirements.txt pyproject.toml --group dev -o requirements-dev.txt
	uv pip compile -q --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		-c requirements-dev.txt --group build -o requirements-build.txt

clean: ## remove everything that the other targets created
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
