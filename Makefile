# `make help` lists the targets. PYTHON picks the interpreter that .venv is made with.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Folders are among the sources, so that a deleted file is noticed too.
SOURCES := $(shell find src/seqlab -name __pycache__ -prune -o -print)
# Tests and the doctests of the installed package; two processes of one thread each fill two cores.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest --pyargs tests seqlab -n 2

PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

# What an earlier build left would put deleted modules into the next wheel; compiled kernels are used again
# while their sources are older.
LEFTOVERS = if [ -d build ]; then find build -type f ! -name '*.so' -delete; fi

.DEFAULT_GOAL := help
.PHONY: help install demo notebook docs test .types-and-imports .core-tests test-slow sanitize storm clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.package  ## .venv from constraints.txt, and the package in it (not editable)

demo: $(if $(wildcard $(VENV)/.environment),$(VENV)/.package,$(VENV)/.demo)  ## compare four models, write report.html (one to three minutes after the installation)
	@$(BIN)/seqlab demo

notebook: install  ## the example notebooks, in a browser
	@$(BIN)/pip install --quiet --constraint constraints.txt '.[notebook]'
	$(BIN)/jupyter notebook examples

test: install  ## format, lint, types, imports, doctests and the core tests (minutes)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@$(MAKE) --no-print-directory --jobs 2 .types-and-imports .core-tests

# One beside the other: the checker of types leaves a core idle.
.types-and-imports:
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

# Tests of one file share what they need, so they stay in one process.
.core-tests:
	$(PYTEST) --dist loadfile -m "not slow"

test-slow: install  ## the tests marked slow: kills, whole recipes (up to half an hour)
	$(PYTEST) -m slow

docs: $(VENV)/.environment  ## the documentation with its API reference, into site/ (made to be read offline)
	$(BIN)/python scripts/build_site.py site
	@echo "Open file://$(CURDIR)/site/index.html in a browser."

sanitize: install  ## the native kernels' tests under AddressSanitizer and UndefinedBehaviorSanitizer (minutes)
	$(BIN)/python tests/sanitized.py

storm: install  ## 200 kills, disks that fill up, 10,000 damaged inputs (an hour)
	OMP_NUM_THREADS=1 PYTHONPATH=tests/storm:tests/training:tests $(BIN)/python tests/storm/storm.py

clean:  ## delete .venv and everything that tools left behind
	rm -rf $(VENV) build dist site src/*.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# Of an interpreter and the tool that builds the package.
$(VENV)/.python: constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and \
		f'seqlab needs Python 3.11 or newer. Got {sys.version.split()[0]}. Try: make PYTHON=python3.11')"
	@echo "Creating the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) setuptools
	@touch $@

# What the demo needs: no tools of development, no extras.
$(VENV)/.demo: $(VENV)/.python pyproject.toml $(SOURCES) setup.py
	@$(LEFTOVERS)
	@echo "Installing seqlab, compiling its kernels (minutes the first time; PyTorch is the largest package)"
	@$(PIP_INSTALL) --no-build-isolation .
	@touch $@

$(VENV)/.environment: $(VENV)/.python pyproject.toml
	@$(LEFTOVERS)
	@echo "Installing seqlab and the tools of development, compiling its kernels (minutes)"
	@$(PIP_INSTALL) --no-build-isolation '.[dev]'
	@touch $@

$(VENV)/.package: $(VENV)/.environment $(SOURCES) setup.py
	@$(LEFTOVERS)
	@echo "Installing the package"
	@$(BIN)/pip install --quiet --no-deps --no-index --no-build-isolation --force-reinstall .
	@touch $@
