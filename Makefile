# `make` lists the targets. Python >= 3.11, make and a package index that plain pip can reach are
# enough: every target first installs what it needs into .venv.
#
# pip and no faster installer, because pip obeys every way in which a machine names its package
# index (PIP_* variables, pip.conf). Without --no-compile it would take half as long again; Python
# compiles what it imports when it first does. Without --no-deps an old pip (23.2) fails as soon as
# there is a newer release of a locked package that another one wants with extras.

PYTHON ?= python3
WORKERS ?= auto
JAX ?= 0.10.0
BIN := .venv/bin
PIP := -m pip --quiet --disable-pip-version-check
# A file of tests at a time, in the order of tests/conftest.py.
FILES := --dist loadfile --no-loadscope-reorder
LOCKED := .venv/locked
INSTALLED := .venv/installed

.DEFAULT_GOAL := help
.PHONY: help install demo test slow check lint types docs wheel other bench results lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## /\1#/p' Makefile | while IFS='#' read -r target text; do \
	  printf 'make %-8s  %s\n' "$$target" "$$text"; done

# Both stamps are written last, and an environment without the first is made anew: an install that
# was interrupted is never taken for a good one.
$(LOCKED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo 'memrnn needs Python 3.11 or newer, which "$(PYTHON)" is not;' \
	    'name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)' >&2; exit 1; }
	@echo 'Installing the packages of requirements.lock into .venv ...'
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python $(PIP) install --no-compile --no-deps --require-hashes \
	  --requirement requirements.lock
	@touch $@

$(INSTALLED): $(LOCKED) pyproject.toml
	@$(BIN)/python $(PIP) install --no-deps --no-build-isolation --no-index --editable .
	@touch $@

install: $(INSTALLED) ## make or renew the environment in .venv

demo: $(INSTALLED) ## the main job in small: train, test far beyond, report; OUT=FOLDER says where
	$(BIN)/memrnn demo $(if $(OUT),--out "$(OUT)")

# Compiling dominates, and a program compiles on one core: the tests run in a process a core.
test: $(INSTALLED) ## all tests but the slow ones; COVERAGE=1 measures, ARGS='...' go to pytest
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 4 $(FILES) $(if $(COVERAGE),--cov) $(ARGS)

slow: $(INSTALLED) ## the slow tests
	$(BIN)/python -m pytest -m slow $(ARGS)

check: lint types docs wheel ## everything that must hold before a change lands
	@$(MAKE) --no-print-directory test COVERAGE=1

lint: $(INSTALLED) ## style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED) ## static types
	$(BIN)/pyright

# With --quiet warnings would be no errors. The variable keeps mkdocs-material from printing a
# notice about its successor.
docs: $(INSTALLED) ## build the site over docs/, with the API reference, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# What users get: the wheel with the locked versions, in an empty environment, away from the
# sources. The lock is stripped of its hashes, since pip takes none for constraints.
wheel: $(INSTALLED) ## build the wheel, install it into an empty environment and run it there
	@set -eu; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(BIN)/python $(PIP) wheel --no-deps --no-build-isolation --no-index --wheel-dir "$$folder" .; \
	sed -n '/==/s/ \\$$//p' requirements.lock >"$$folder/constraints.txt"; \
	$(BIN)/python -m venv "$$folder/venv"; \
	"$$folder/venv/bin/python" $(PIP) install --no-compile \
	  --constraint "$$folder/constraints.txt" "$$folder"/memrnn-*.whl; \
	export MEMRNN_CACHE="$$folder/cache"; cd "$$folder"; \
	venv/bin/python -c 'import memrnn; assert "site-packages" in memrnn.__file__'; \
	venv/bin/memrnn --help >/dev/null; \
	venv/bin/memrnn languages --json | venv/bin/python -m json.tool >/dev/null; \
	venv/bin/memrnn train --language count-3 --model jm-3 --train-lengths 3:9 --batches 5 \
	  --validation-batches 2 --max-epochs 1 --restarts 1 --out run; \
	venv/bin/memrnn evaluate run --length-bins 10:20 >/dev/null; \
	echo 'The wheel works in an empty environment.'

# The locked versions of everything else; JAX 0.11 needs Python 3.12 or newer.
other: ## the tests with another Python and JAX: make other PYTHON=python3.13 JAX=0.11.2
	@set -eu; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	sed -n '/==/s/ \\$$//p' requirements.lock | grep -v '^jax\(lib\)\?==' >"$$folder/constraints.txt"; \
	$(PYTHON) -m venv "$$folder/venv"; \
	"$$folder/venv/bin/python" $(PIP) install --no-compile --constraint "$$folder/constraints.txt" \
	  "jax==$(JAX)" ".[ray]" beartype editables hatchling hypothesis playwright pytest pytest-cov \
	  pytest-xdist; \
	"$$folder/venv/bin/python" -c 'import jax, sys; print("Python", sys.version, "JAX", jax.__version__)'; \
	"$$folder/venv/bin/python" -m pytest --numprocesses $(WORKERS) --maxprocesses 4 $(FILES) $(ARGS)

bench: $(INSTALLED) ## how to run the benchmarks
	@echo 'Each of these prints a ratio of two things measured in the same run:'
	@for file in benchmarks/*.py; do case $$file in *_reference.py) ;; \
	  *) echo "  $(BIN)/python $$file";; esac; done
	@echo 'Some compare with PyTorch: $(BIN)/python -m pip install torch'

results: $(INSTALLED) ## what the docs say of the studies in results/, and the page of each study
	$(BIN)/python results/rebuild.py

lock: $(INSTALLED) ## choose all versions anew, one of each package for every Python
	$(BIN)/python $(PIP) install uv
	$(BIN)/uv pip compile pyproject.toml --extra ray --group dev --universal --python-version 3.11 \
	  --fork-strategy fewest --upgrade --generate-hashes --no-header --no-annotate \
	  --no-emit-find-links --no-emit-index-url --quiet --output-file requirements.lock

clean: ## remove the environment, caches and built files; results stay
	rm -rf .venv .coverage .coverage.* .hypothesis .pytest_cache .ruff_cache build dist htmlcov site
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +
