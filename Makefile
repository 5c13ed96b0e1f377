# Everything runs in VENV, which is made on demand and remade when pyproject.toml or constraints.txt changes.
# `make` alone lists the targets; PYTHON names the interpreter (3.11 or later), WORKERS the pytest processes.

SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
OUT ?= out
WORKERS ?= 2
PYTEST_FLAGS ?=

BIN := $(VENV)/bin
KEY := $(shell cat pyproject.toml constraints.txt | cksum | cut -d ' ' -f 1)
READY := $(VENV)/.installed-$(KEY)

# One thread a process: the solves are small, the test processes several, and timings comparable.
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MPLBACKEND := Agg

.PHONY: help install demo docs lint test test-slow

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) ## make VENV and install geodis[dev,text] in it, under constraints.txt

demo: $(READY) ## the main job on real input: tables here, the page in OUT/report.html
	$(BIN)/geodis demo --out $(OUT)

docs: $(READY) ## the documentation, offline, warnings as errors: OUT/docs/index.html
	$(BIN)/sphinx-build -W --keep-going -n -q -b html docs $(OUT)/docs
	@echo "wrote $(OUT)/docs/index.html"

lint: $(READY) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint ## lint, types and the fast tests, doctests and README included
	$(BIN)/pytest -v --no-header --tb=short -n $(WORKERS) -m "not slow" $(PYTEST_FLAGS)

test-slow: $(READY) ## the tests that simulate or train for minutes
	$(BIN)/pytest -v --no-header --tb=short -n $(WORKERS) -m slow $(PYTEST_FLAGS)

$(READY):
	@echo "Installing geodis[dev,text] into $(VENV) (some minutes the first time)"
	@rm -f $(VENV)/.installed-*
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -qq --disable-pip-version-check --editable ".[dev,text]" --constraint constraints.txt
	$(BIN)/pip install -qq --disable-pip-version-check --no-deps torch-harmonics==0.9.3
	@touch $@
