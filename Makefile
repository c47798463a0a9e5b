# Two commands do everything on a machine with Python 3.11+, make and git: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup setup-spark setup-bench run test test-slow lint bench docs dev clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# The stamp says which lock the environment was made from: a second `make setup` does nothing.
$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11, 3.12 or 3.13 is needed, this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 setup" if not (3, 11) <= sys.version_info[:2] <= (3, 13) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

setup: $(VENV)/.ready ## the environment in .venv, with orders-pipeline in its bin

$(VENV)/.ready-spark: $(VENV)/.ready requirements-spark.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-spark.lock
	@touch $@

setup-spark: $(VENV)/.ready-spark ## setup, and PySpark for the second engine (needs Java 17 or newer)

$(VENV)/.ready-bench: $(VENV)/.ready requirements-bench.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.lock
	@touch $@

setup-bench: $(VENV)/.ready-bench ## setup, and the peers `make bench` compares with (Polars, dbt-duckdb)

SAMPLE_AS_OF := 2026-03-21T12:00:00+08:00

run: setup ## the bundled sample through the whole pipeline, with a summary of what came out
	@$(BIN)/orders-pipeline run --home data --as-of $(SAMPLE_AS_OF) $(ARGS)

TEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

test: setup ## the tests of every change (real-data tests skip with a reason where the data is absent)
	@$(TEST) -m "not slow" $(ARGS)

test-slow: setup ## the rest: second engine, random worlds, killed and crowded runs, real Postgres, browser, pages followed
	@$(TEST) -m slow $(ARGS)

lint: setup ## style and types
	@$(BIN)/ruff check .

bench: setup-bench ## the measured claims against the peers, as ratios within one run, stored in docs/generated/benchmarks.md
	@$(BIN)/python -m benchmarks.full_month --store docs/generated $(ARGS)

docs: setup ## the generated pages under docs/generated
	@$(BIN)/orders-pipeline docs

dev: setup ## the Dagster UI with sensors and schedules, on http://localhost:3000
	@$(BIN)/orders-pipeline dev --home data

clean: ## what runs have made in data/, not the sample itself
	@rm -rf data/warehouse data/published data/tmp data/dagster data/decisions data/customer.key
