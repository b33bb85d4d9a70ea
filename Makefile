# Two commands are enough: `make demo` and `make test`. Both set up what they need, once; the second time they start at once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test check bench lock clean
.DEFAULT_GOAL := help
.PHONY: help

help:
	@echo "make demo   set up and run a recorded incident through the server; leaves the postmortem in ./demo/"
	@echo "make test   set up and run the tests"
	@echo "make check  ruff, mypy, import-linter, alembic check, generated tables"
	@echo "make bench  the benchmarks, as ratios in one run"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "triagebot needs Python 3.11 or newer")'
	@echo "setting up $(VENV) …" >&2
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing locked dependencies …" >&2
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q triagebot
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@echo "installing locked test dependencies …" >&2
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.run
	@$(BIN)/triagebot demo --out demo

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -n 2 --dist loadgroup

check: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m triagebot.adapters.db.migrate check
	@$(BIN)/triagebot docs --check

bench: $(VENV)/.dev
	@for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

# Rewrites the lock files from pyproject.toml; needs uv. Delete them first to move everything to the newest versions.
UV ?= uv
COMPILE := $(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet
lock:
	$(COMPILE) --group build -o requirements.lock
	$(COMPILE) --group build --group dev --all-extras -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf $(VENV) demo build *.egg-info .mypy_cache .ruff_cache .pytest_cache
