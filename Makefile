# On a fresh machine with Python 3.11 or newer, git and make: `make demo` or `make test`.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
PYTEST_ARGS ?=
BENCH_ARGS ?=

# Tests against other libraries, which are large.
PEERS := tests/peers
REFERENCES := $(shell grep -l importorskip tests/recipes/*.py)

BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test peers recipes lint format stubs types doctest docs bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

demo: $(INSTALLED)/demo ## Train a small model on real images, once per initializer
	@$(BIN)/python examples/quickstart.py

test: $(INSTALLED)/test ## Run the test suite (PYTEST_ARGS="..." adds options)
	@$(BIN)/python -m pytest -n $(JOBS) $(addprefix --ignore ,$(PEERS) $(REFERENCES)) $(PYTEST_ARGS)

peers: $(INSTALLED)/peers ## Run the tests against other libraries, PyTorch among them, which is large
	@$(BIN)/python -m pytest -n $(JOBS) $(PYTEST_ARGS) $(PEERS) \
		$$(grep -rl 'importorskip("torch")' tests --exclude-dir peers --exclude-dir recipes)

recipes: $(INSTALLED)/recipes ## Compare the recipes with the models of transformers, timm and others
	@$(BIN)/python -m pytest -n $(JOBS) $(PYTEST_ARGS) tests/recipes

lint: $(INSTALLED)/lint ## Check style and format
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check .

format: $(INSTALLED)/lint ## Rewrite the code in the house format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

stubs: $(INSTALLED)/test ## Write the stubs of cthulhu.functional and cthulhu.initializers
	@PYTHONPATH=. $(BIN)/python tests/stubs.py

types: $(INSTALLED)/test $(INSTALLED)/lint ## Check the types of the package, and of right and wrong uses
	@$(BIN)/mypy
	@$(BIN)/basedpyright --pythonpath $(BIN)/python

doctest: $(INSTALLED)/test ## Run the examples in the docstrings and the README
	@KERAS_BACKEND=jax $(BIN)/python -m pytest --doctest-modules --doctest-glob=README.md \
		cthulhu $$(grep -ls '^ *>>> ' README.md)

docs: $(INSTALLED)/test $(INSTALLED)/docs ## Build the documentation, running its code
	@$(BIN)/sphinx-build -q -E -a -n -W --keep-going -b html docs docs/_build/html
	@echo "Documentation: docs/_build/html/index.html"

bench: $(INSTALLED)/bench ## Measure speed and memory, some 20 minutes (BENCH_ARGS=--quick)
	@set -e; for script in tests/benchmarks/bench_*.py; do \
		echo "== $$script"; $(BIN)/python "$$script" $(BENCH_ARGS); done

clean: ## Remove everything that make created
	@rm -rf .venv .venv-newest docs/_build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find cthulhu tests examples docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null; true

# One stamp a dependency group: a group is installed again only when pyproject.toml changes.
$(INSTALLED)/%: pyproject.toml | $(INSTALLED)/pip
	@echo "Installing into $(VENV): $* (the first time takes some minutes)"
	@$(PIP) install --editable . --group $*
	@touch $@

# Dependency groups need pip 25.1; Python 3.11 ships an older one.
$(INSTALLED)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; choose one with: make PYTHON=python3.11 ..." >&2; exit 1; }
	@echo "Creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@mkdir -p $(INSTALLED) && touch $@
