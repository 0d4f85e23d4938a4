# Everything runs in .venv, which the first target makes: Python >= 3.11 and make are enough.
SHELL := bash
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.DEFAULT_GOAL := help
.PHONY: help demo test check slow lint wheel lock clean install

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# The stamp is written last: an install that was interrupted is done again from the start.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "memrnn needs Python 3.11 or newer; run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

install: $(STAMP)  ## make the environment

demo: $(STAMP)  ## the main job in small: train, test far beyond, report
	$(BIN)/memrnn demo

test: $(STAMP)  ## all tests but the slow ones
	$(BIN)/python -m pytest

slow: $(STAMP)  ## the tests that take long
	$(BIN)/python -m pytest -m slow

lint: $(STAMP)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

check: lint wheel  ## everything that must hold before a change lands
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report

# The wheel in an empty environment, away from the sources: what users get.
wheel: $(STAMP)  ## build the wheel, install it elsewhere and run it there
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(BIN)/python -m build --wheel --no-isolation --outdir "$$folder" . >/dev/null; \
	$(PYTHON) -m venv "$$folder/venv"; \
	"$$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
	  --constraint <(grep -E '^[a-z0-9-]+==' requirements.lock | sed 's/ *\\$$//') "$$folder"/memrnn-*.whl; \
	cd "$$folder"; venv/bin/memrnn --version; venv/bin/memrnn languages --json >/dev/null; \
	venv/bin/memrnn train --language count-3 --model jm-3 --lengths 3 9 --batches 5 \
	  --validation-batches 2 --epochs 1 --restarts 1 --out run; \
	venv/bin/memrnn test run --bins 10:20 >/dev/null; echo "the wheel works"

lock: $(STAMP)  ## choose the versions anew
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --no-emit-find-links --no-emit-index-url \
	  --upgrade --quiet -o requirements.lock

clean:  ## remove the environment and everything that was made
	rm -rf .venv build dist demo .coverage .pytest_cache .ruff_cache .hypothesis
