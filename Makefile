# Tidemark. `make` alone lists what there is.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-ui test-slow test-engines test-postgres test-spark screenshots ui bench bench-check torture lint fmt lock clean

help: ## list what make can do
	@echo "Tidemark: make <target>"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "PYTHON=python3.12 make setup   chooses the interpreter (3.11 or newer)"

setup: $(READY) ## build .venv from the lock file (quick when it is up to date)
	@:

# The stamp is written last, so an interrupted setup starts over; a changed lock builds afresh.
$(READY): requirements.lock pyproject.toml
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "Tidemark needs Python 3.11 or newer, and there is no '$(PYTHON)' here." >&2; \
	  echo "Fix: install it, or name it: make PYTHON=/path/to/python3.12 setup" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Tidemark needs Python 3.11 or newer; '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1)." >&2; \
	  echo "Fix: make PYTHON=/path/to/python3.12 setup" >&2; exit 1; }
	@echo "setup: building $(VENV) from requirements.lock (once; a few minutes at most)"
	@"$(PYTHON)" -m venv --clear $(VENV) || { \
	  echo "Fix: install your system's venv package (Debian, Ubuntu: python3-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)
	@echo "setup: done; tidemark and dg are in $(BIN)"

demo: setup ## pull everything from the sandbox exchange through Dagster and look at it
	@$(BIN)/tidemark demo

test: setup ## style, types, Dagster definitions, tests
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --strict --no-error-summary --num-workers 2
	@$(BIN)/dg check defs
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest

test-ui: setup ## Dagster's pages in a real browser, on the sandbox exchange (needs Chromium)
	@$(BIN)/pytest -n 0 tests/ui

test-slow: setup ## whole programs from outside, and long variants
	@$(BIN)/pytest -m "slow and not torture"

test-engines: setup ## the engines beyond one machine: PostgreSQL, Iceberg, Redis and Celery
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-engines.lock
	@$(BIN)/pytest -m "engines and not torture"

test-postgres: setup ## all tests of storage, engine and command line on PostgreSQL (Debian: postgresql)
	@METASTORE=postgres $(BIN)/pytest $(addprefix tests/,warehouse $(addprefix pipelines/,ingest cli publishing))

test-spark: setup ## lake and marts by Spark, the same rows as by DuckDB (needs Java 17 or newer)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-spark.lock
	@$(BIN)/pytest -n 0 tests/spark

screenshots: setup ## the pictures of README and docs, from the same browser into docs/images
	@$(BIN)/python -m tests.ui.screenshots

ui: setup ## open Dagster with the sandbox exchange feeding it (Ctrl-C stops both)
	@$(BIN)/tidemark ui --demo

bench: setup ## measure first pulls, every day's work and storage; writes docs/performance.md
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench.dialects
	@$(BIN)/python -m bench.everyday
	@$(BIN)/python -m bench.latency
	@$(BIN)/python -m bench.storage
	@$(BIN)/python -m bench.performance

bench-check: setup ## compare requests, bytes, files and modules with the committed counts
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m bench.check

torture: setup ## the tests too long for make test, and 300 pulls killed at random (KILLS, SEED)
	@$(BIN)/pytest -m torture
	@$(BIN)/python -m tests.torture --kills $(or $(KILLS),300) --seed $(or $(SEED),1)

lint: setup ## style and types only
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict

fmt: setup ## format, and fix what ruff can fix by itself
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: ## resolve the dependencies and all extras into requirements.lock (needs uv)
	@command -v uv >/dev/null || { echo "Fix: install uv (https://docs.astral.sh/uv/)" >&2; exit 1; }
	@uv pip compile --quiet --upgrade --universal --no-strip-extras --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	  --extra dev pyproject.toml -o requirements.lock
	@for extra in spark engines; do python3 -c "import sys, tomllib; \
	  found = tomllib.load(sys.stdin.buffer)['project']['optional-dependencies']; \
	  print(*found['$$extra'], sep='\n')" <pyproject.toml | uv pip compile --quiet --upgrade \
	  --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --no-annotate -c requirements.lock - -o requirements-$$extra.lock; done

clean: ## remove the environment and all caches; never data
	@rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis build dist *.egg-info
	@find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +
