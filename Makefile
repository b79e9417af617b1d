# The two commands of a newcomer: make demo, make test. Everything else is below them in `make help`.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
# The first interpreter that is at least 3.11; set PYTHON to choose another one.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
# Two steps, since what the exporter runs with is 85 MB, and what tests and checks need is 700 MB more.
RUNS := $(VENV)/.runs
STAMP := $(VENV)/.made-from-the-pins
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PINNED := $(PIP) --require-hashes --only-binary :all:
# Debian packages that the end-to-end tests use and a bare machine lacks.
TEST_TOOLS := prometheus prometheus-alertmanager prometheus-blackbox-exporter chromium nginx-light buildah \
	debootstrap curl iproute2

# The image: what it stands on, what it is called, and who builds it (a docker without its daemon builds nothing).
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' exporter/__init__.py)
BASE ?= $(shell sed -n 's/^ARG BASE=//p' Dockerfile)
TAG ?= pingone-flow-exporter:$(VERSION)
IMAGE_BUILDER ?= $(shell command -v buildah >/dev/null && echo buildah build --layers \
	|| { docker info >/dev/null 2>&1 && echo docker build; })

# Tests of whole programs: Prometheus, promtool, Helm, a browser, a builder of images, or the installed command.
WITH_PROCESSES := chart dashboards e2e faults harness_tests image rules test_install.py test_main.py

.PHONY: help venv setup demo test unit bench lint format image test-tools docs pins clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

venv: $(RUNS) ## make .venv with the exporter and what it runs with, pinned

$(RUNS): requirements.txt requirements-build.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; install it or call make PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	"$(PYTHON)" -m venv --clear $(VENV)
	$(PINNED) -r requirements.txt -r requirements-build.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(STAMP) ## the same, and what tests and checks need

$(STAMP): $(RUNS) requirements-dev.txt
	$(PINNED) -r requirements-dev.txt
	@touch $@

demo: venv ## simulator and exporter together, nothing to configure; Ctrl-C ends it
	@$(BIN)/pingone-flow-exporter demo $(DEMO)

# All cores, up to four. What belongs together stays together: a file's fixtures start servers.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: setup ## run all tests; coverage of exporter/ must be at least 95 %
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=term

unit: setup ## run the unit tests alone: those that start no process
	$(BIN)/python -m pytest $(PARALLEL) $(addprefix --ignore=tests/,$(WITH_PROCESSES))

bench: setup ## measure the exporter beside blackbox_exporter (12 minutes; BENCH=--quick takes 2)
	$(BIN)/python -m benchmarks $(BENCH)

lint: setup ## ruff with all rules, formatting, mypy strict, hadolint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

format: setup ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

image: ## build the container image; BASE=… is what it stands on, TAG=… its name
	@builder="$(IMAGE_BUILDER)"; test -n "$$builder" || { \
		echo "neither buildah nor a docker daemon is here; on Debian: apt-get install buildah" >&2; exit 1; }; \
	set -x; $$builder --build-arg BASE="$(BASE)" --build-arg VERSION="$(VERSION)" \
		--build-arg REVISION="$$(git rev-parse --verify --quiet HEAD || true)" --tag "$(TAG)" .

docs: setup ## write the generated reference tables anew
	$(BIN)/python docs/generate.py

test-tools: ## install what the end-to-end tests need (Debian, as root)
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3-venv $(TEST_TOOLS)

# Extras are kept: pip would take `coverage[toml]` for another package than the pinned `coverage`, look for
# its newest release, and end there, since that one has no hash.
pins: ## resolve requirements*.txt anew (needs uv on PATH)
	uv pip compile -q --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--custom-compile-command "make pins" pyproject.toml -o requirements.txt
	uv pip compile -q --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		-c requirements.txt pyproject.toml --group dev -o requirements-dev.txt
	uv pip compile -q --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		-c requirements-dev.txt --group build -o requirements-build.txt

clean: ## remove what the other targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
