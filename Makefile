# `make audit` re-verifies the core claims, `make test` runs the tests; both set up what they need, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: audit test lint types audit-dependencies clean

audit: $(VENV)/.run
	@$(BIN)/mi-atlas audit --tag core; code=$$?; if [ $$code -eq 2 ]; then exit 0; else exit $$code; fi

test: $(VENV)/.test
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The folder may have any name, the package is mi_atlas: mypy is shown it under that name.
types: $(VENV)/.test
	@mkdir -p $(VENV)/types && ln -sfn "$(CURDIR)" $(VENV)/types/mi_atlas
	MYPYPATH=$(VENV)/types $(BIN)/mypy

# Known vulnerabilities of what is pinned; needs the network, so it is no part of .ci/run. What cannot be looked up is an error.
audit-dependencies: $(VENV)/.run
	@$(PYTHON) -m venv $(VENV)/audit && $(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(VENV)/audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/.run: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mi-atlas needs Python 3.11 or newer; set PYTHON=python3.11")'
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --editable .
	@$(BIN)/python -m compileall -q __init__.py specs store evaluators judges engine
	@touch $@

$(VENV)/.test: $(VENV)/.run
	@$(PIP) --editable '.[test]'
	@touch $@
