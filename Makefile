# Pose Mirror. A bare `make` prints what there is to make.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

# A file of tests stays in one process: many wait for processes of their own, few need a whole core.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile

# apt's picamera2 and lgpio lie outside any venv; where there is one of them, the venv looks there too. Bookworm's
# picamera2 was built for NumPy 1, and then the venv stays with it.
importable = $(shell $(PYTHON) -c 'import $(1)' 2>/dev/null && echo yes)
SYSTEM := $(or $(call importable,picamera2),$(call importable,lgpio))
NUMPY_1 := $(shell $(PYTHON) -c 'import picamera2, numpy; exit(numpy.__version__ >= "2")' 2>/dev/null && echo yes)

.DEFAULT_GOAL := help
.PHONY: help setup demo run test test-quick boot boot-long check format bench fuzz soak clean

help: ## print this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## make the virtual environment in .venv with all that is needed

$(STAMP): setup.cfg pyproject.toml constraints.txt Makefile
	@tools/system-packages $(PYTHON)
	$(PYTHON) -m venv $(if $(SYSTEM),--system-site-packages) $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable '.[dev]' $(if $(NUMPY_1),'numpy<2',--constraint constraints.txt)
	@touch $@

demo: setup ## see the mirror at work: a drawn performer and the starter library, no camera needed
	@$(BIN)/pose-mirror demo

# Without a network `models fetch` says so, and the mirror runs with the network that comes with it.
run: setup ## run the mirror with your camera
	@$(BIN)/pose-mirror models fetch || true
	@$(BIN)/pose-mirror run

test: setup ## run the tests
	$(BIN)/python -m pytest $(PARALLEL)

test-quick: setup ## run the tests that take no more than some seconds
	$(BIN)/python -m pytest $(PARALLEL) -m 'not slow'

# As root: a whole machine is installed first, some ten minutes once, and then found again.
boot: setup ## start the whole appliance in a virtual machine: from power on to a GIF, and power cuts
	@tools/boot-packages
	@$(BIN)/python -m tests.boot.image
	@tools/boot $(BIN)/python -m 'not boot_long'

boot-long: setup ## the same, with the tests that take long
	@tools/boot-packages
	@$(BIN)/python -m tests.boot.image
	@tools/boot $(BIN)/python

check: setup ## formatting, lint and strict types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup ## put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## time each step of a frame's way
	$(BIN)/pose-mirror bench

fuzz: setup ## fuzz all that reads files, an hour each at the same time; SECONDS=60 for less, TARGETS=config for one
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet --editable '.[fuzz]' --constraint constraints.txt
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),3600) $(TARGETS)

soak: setup ## run the mirror for an hour with faults thrown at it, and say what holds; MINUTES=6 for less
	@$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),60) $(if $(SEED),--seed $(SEED))

clean: ## remove what was built here
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
