# Every target that needs the environment builds it first, so `make dev` or `make test` is enough on
# a machine with Python 3.11, make and a package registry. ARGS is handed on: make test ARGS="-k log"

SHELL := /bin/sh
PIP := .venv/bin/python -m pip --disable-pip-version-check --quiet
COMPILE := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

# The first of these that is Python 3.11 or newer.
PYTHON ?= $(firstword $(foreach python,python3.11 python3,$(shell \
	$(python) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(python))))

.DEFAULT_GOAL := help
.PHONY: help setup dev test check bench docs lock clean

help: ## Say what the targets do
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

setup: .venv/ok ## Build the environment in .venv, if it is not up to date

dev: .venv/ok ## Start a sandbox on this machine (parley dev)
	.venv/bin/parley dev $(ARGS)

test: .venv/ok ## Run the tests
	.venv/bin/pytest --numprocesses auto --dist worksteal $(ARGS)

check: .venv/ok ## Lint, format, types, async rules, import contracts
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/flake8 --select=ASYNC
	.venv/bin/lint-imports

requirements: .venv/ok ## Run what shows the requirements, and write docs/requirements.md
	.venv/bin/python -m tests.requirements

bench: .venv/bench-ok ## Run the benchmarks and write their report to bench/results
	.venv/bin/python -m bench $(ARGS)

docs: .venv/ok ## Write docs/reference anew from the tables of the code
	.venv/bin/python -m gateway.reference

lock: .venv/ok ## Write requirements/*.txt anew from pyproject.toml (ARGS=--upgrade for newer versions)
	$(COMPILE) $(ARGS) pyproject.toml --output-file requirements/runtime.txt
	$(COMPILE) $(ARGS) pyproject.toml --extra dev --constraint requirements/runtime.txt \
		--output-file requirements/dev.txt
	$(COMPILE) $(ARGS) pyproject.toml --extra bench --constraint requirements/dev.txt \
		--output-file requirements/bench.txt

clean: ## Remove everything that make has built
	rm -rf .venv bench/.built bench/.peers build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ok: requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Parley needs Python 3.11 or newer." >&2; exit 1; }
	@$(PIP) --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(PIP) install --require-hashes --requirement requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/bench-ok: .venv/ok requirements/bench.txt
	$(PIP) install --require-hashes --requirement requirements/bench.txt
	@touch $@
