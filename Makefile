# `make demo` and `make test` are the only set-up: both create .venv when it is missing or out of date.
PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python
# The stamp is written last, so an interrupted install leaves none. Its name follows what was
# installed and from where: a change of either installs again.
STAMP  := $(VENV)/.installed-$(shell { cat pyproject.toml constraints.txt; pwd; } | cksum | tr ' ' '-')

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint bench notebooks docs clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name text; \
	  do printf '  make %-10s %s\n' "$$name" "$$text"; done
	@echo "  Another interpreter: make test PYTHON=python3.12"

demo: $(STAMP) ## a first look at the package
	$(VENV)/bin/persuasion demo

test: $(STAMP) ## every test but the slow ones
	$(RUN) -m pytest

test-all: $(STAMP) ## every test, with many more generated examples
	$(RUN) -m pytest -m "" --hypothesis-profile=thorough

lint: $(STAMP) ## ruff and mypy --strict
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy --strict persuasion theory llm_bridge

bench: $(STAMP) ## side-by-side timings
	$(RUN) -m benchmarks

notebooks: $(STAMP) ## execute the notebooks and save their outputs
	$(RUN) notebooks/execute.py

docs: $(STAMP) ## the pages, in build/docs/index.html
	$(RUN) -m sphinx -W --keep-going -q -b html docs build/docs

clean: ## remove caches and build results (.venv stays; delete it to start afresh)
	rm -rf build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name .venv -prune -o -type d -name __pycache__ -exec rm -rf {} +

$(STAMP):
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "'$(PYTHON)' was not found. Install Python 3.11 or later, or name one: make PYTHON=/path/to/python3"; exit 1; }
	@"$(PYTHON)" -c "import sys; v = sys.version_info; sys.exit(v < (3, 11) and \
	  'persuasion needs Python 3.11 or later, but \'$(PYTHON)\' is %d.%d. Name a newer one: make PYTHON=python3.12' % v[:2])"
	@"$(PYTHON)" -c "import ensurepip, venv" 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot create virtual environments: its venv or ensurepip module is missing."; \
	  echo "On Debian or Ubuntu: apt install python3-venv. Otherwise name another: make PYTHON=/path/to/python3"; exit 1; }
	@ls $(VENV)/.installed-* >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(VENV)
	@rm -f $(VENV)/.installed-*
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	-@$(RUN) -m persuasion.compiled # takes half a minute, once
	@touch $@
