# Everything goes through .venv, which `make setup` makes from the constraints when it is missing
# or out of date.
PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.installed
# Tests run in two processes with one torch thread each: on two cores that is the fastest.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal

.PHONY: setup test test-slow test-all check lint demo tables bench clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $$(command -v $(PYTHON) || command -v python3) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

test: setup  ## the fast tier, below 4 minutes on two cores
	$(PYTEST) -m 'not slow'

test-slow: setup  ## the slow tier alone
	$(PYTEST) -m slow

test-all: setup  ## all tests, below 20 minutes
	$(PYTEST)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test  ## ruff, mypy, import rules, the fast tests

demo: setup  ## the three methods beside their nearest rivals, ten minutes on two cores
	$(BIN)/python compare.py study=demo jobs=2

tables: setup  ## what is made of records: the studies' tables and figures, the README's tables
	$(BIN)/python -m ganfeat.remake

bench: setup  ## speed: networks, presets, HSR's heads, metrics; writes bench.json
	$(BIN)/python -m ganfeat.bench

clean:  ## what can be made again; outputs/ stays
	rm -rf .venv dist bench.json .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
