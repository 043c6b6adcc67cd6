# make tables   re-run the notebooks into build/ and compare every table and figure with the committed ones
# make test     lint, unit tests, notebook tests, contract and power tests
# make lab      open JupyterLab on the notebooks
# make env      what all of these use: a .venv with exactly the packages of requirements.txt
# make lint     ruff (rules and format) and mypy alone
# make mutants  break the helpers on purpose, one line at a time: do the tests notice?
# make bench    speeds, as ratios measured in one run
# make clean    remove what the commands made here, .venv included; downloads stay
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
# BLAS threads slow one another when tests and notebooks already run side by side.
export OMP_NUM_THREADS ?= 1

.PHONY: env tables test lint lab mutants bench clean
env: .venv/.ready

.venv/.ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11")'
	@if command -v uv >/dev/null; then \
	   uv venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" .venv && \
	   uv pip install --python $(BIN)/python -r requirements.txt; \
	 else \
	   $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet $$(grep '^uv==' requirements.txt) && \
	   $(BIN)/uv pip install --python $(BIN)/python -r requirements.txt || $(BIN)/python -m pip install -r requirements.txt; \
	 fi
	@touch $@

tables: env
	$(BIN)/python -m helpers reproduce

test: lint
	$(BIN)/python -m pytest -n auto --dist loadscope --nbval-lax -rs tests notebooks

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lab: env
	$(BIN)/python -m jupyterlab --notebook-dir=notebooks

mutants: env
	$(BIN)/python -m tests.mutants

bench: env
	for file in tests/benchmarks/bench_*.py; do $(BIN)/python -m "tests.benchmarks.$$(basename $$file .py)" || exit 1; done

clean:
	rm -rf .venv build .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
