# make tables   re-run the notebooks and regenerate every table and the ledger
# make test     unit tests, notebook tests, contract and power tests
# make lab      open JupyterLab on the notebooks
# make env      what the three use: a .venv with exactly the packages of requirements.txt
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
# BLAS threads slow one another when tests and notebooks already run side by side.
export OMP_NUM_THREADS ?= 1

.PHONY: env tables test lab
env: .venv/.ready

.venv/.ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11")'
	@if command -v uv >/dev/null; then \
	   uv venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" .venv && \
	   uv pip install --python $(BIN)/python --no-deps -r requirements.txt; \
	 else \
	   $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --no-deps -r requirements.txt; \
	 fi
	@touch $@

tables: env
	$(BIN)/python -m helpers reproduce

test: env
	$(BIN)/python -m pytest -n 2 --dist loadscope --nbval-lax -rs tests notebooks

lab: env
	$(BIN)/python -m jupyterlab --notebook-dir=notebooks
