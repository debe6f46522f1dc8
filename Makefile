# Two commands to start: `make demo` and `make test`. Each sets up everything it needs.
# Needs Python 3.11 or later, make and git; works as root or not.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
# The agent of a customer starts with `python -I`; our own commands keep the working folder off the path too.
export PYTHONSAFEPATH := 1
# More than cores: much of the time of the tests goes into waiting for desktops, browsers and servers.
WORKERS ?= -n 3 --dist loadfile
# One scratch folder for every browser and desktop picture the tests take.
OUTPUT := test-output

.PHONY: help env system demo test check soak bench docs lock clean

help:
	@echo "make demo   set up, load the sample organization, meter this machine, serve the screens"
	@echo "            (ARGS=--no-serve does the same and exits)"
	@echo "make test   set up and run the tests"
	@echo "make check  style, types on three systems, import contracts, notebook rules"
	@echo "make soak   the long runs: kill loops, simulations, every property on 300 cases"
	@echo "make bench  every promise of speed or weight, as a ratio"
	@echo "make docs   write docs/commands.md anew from --help"
	@echo "make lock   resolve the locked requirements anew"
	@echo "make clean  erase the demo and everything made here"

env: .venv/ready

.venv/ready: requirements/dev.txt requirements/uv.txt pyproject.toml .ci/environment
	@sh .ci/environment "$(PYTHON)"

# Apache Spark, which only the soak tests need: half a gigabyte.
.venv/spark: .venv/ready requirements/spark.txt .ci/spark
	@sh .ci/spark

# Chromium, LibreOffice, a virtual desktop, test servers: installed when that can be, else said loudly and gone without.
system:
	@sh .ci/system

demo: env
	@$(BIN)/process-meter demo --home .demo $(ARGS)

test: env system
	@mkdir -p $(OUTPUT)
	$(BIN)/python -m pytest -q $(WORKERS) $(ARGS)

check: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --platform linux
	$(BIN)/mypy --platform win32
	$(BIN)/mypy --platform darwin
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_notebooks.py tests/test_architecture.py tests/test_docs.py

soak: env system .venv/spark
	$(BIN)/python -m pytest -q -o python_files='soak_*.py' $(ARGS) tests
	$(BIN)/python -m pytest -q -n 2 -m hypothesis --hypothesis-profile=thorough --timeout 3600 $(ARGS)

bench: env system
	@for script in benchmarks/*.py; do echo "== $$script"; PYTHONPATH=benchmarks $(BIN)/python $$script || exit 1; done

docs: env
	$(BIN)/typer apps.cli utils docs --name process-meter --output docs/commands.md

lock: env
	@sh .ci/lock

clean:
	rm -rf .demo .tools .venv $(OUTPUT) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
