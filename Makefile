# Pose Mirror. A bare `make` prints its targets.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What runs, what tests and what checks are three sets of packages: nobody needs a linter to run the mirror.
READY := $(VENV)/.ready
READY_TO_TEST := $(VENV)/.ready-to-test
READY_TO_CHECK := $(VENV)/.ready-to-check

# One worker runs all tests of a file. Tests often wait for child processes, so one worker more than cores pays off.
PARALLEL := --numprocesses $(shell echo $$(($$(nproc) + 1))) --maxprocesses 4 --dist loadfile

# apt installs picamera2 and lgpio outside any virtual environment. Where one of them is installed, the environment sees
# the system's packages, too. Bookworm's picamera2 was built for NumPy 1, so the environment then keeps to NumPy 1.
importable = $(shell $(PYTHON) -c 'import $(1)' 2>/dev/null && echo yes)
SYSTEM := $(or $(call importable,picamera2),$(call importable,lgpio))
NUMPY_1 := $(shell $(PYTHON) -c 'import picamera2, numpy; exit(numpy.__version__ >= "2")' 2>/dev/null && echo yes)

# With PYPI=1, lgpio is compiled with the C library that it needs, where it has no wheel: from Python 3.13 on.
install = PYPI=1 PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable '.[$(1)]' \
	$(if $(NUMPY_1),'numpy<2',--constraint constraints.txt)

.DEFAULT_GOAL := help
.PHONY: help setup demo run test test-quick coverage boot boot-long arm check format messages bench fuzz soak clean

help: ## print this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## create the virtual environment .venv with everything that the mirror needs

$(READY): setup.cfg pyproject.toml constraints.txt Makefile
	@tools/system-packages $(PYTHON)
	$(PYTHON) -m venv $(if $(SYSTEM),--system-site-packages) $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools
	$(call install,pi)
	@touch $@

$(READY_TO_TEST): $(READY)
	$(call install,test)
	@touch $@

$(READY_TO_CHECK): $(READY_TO_TEST)
	$(call install,check)
	@touch $@

demo: setup ## see the mirror at work: a drawn performer and drawn photos, no camera needed
	@$(BIN)/pose-mirror demo

# Without a network, `models fetch` says so and the mirror uses the bundled model.
run: setup ## run the mirror with your camera
	@$(BIN)/pose-mirror models fetch || true
	@$(BIN)/pose-mirror run

test: $(READY_TO_TEST) ## run all tests, in about five minutes
	$(BIN)/python -m pytest $(PARALLEL)

test-quick: $(READY_TO_TEST) ## run the quick tests, in about a minute
	$(BIN)/python -m pytest $(PARALLEL) -m 'not slow'

coverage: $(READY_TO_TEST) ## run all tests and print how much of the code they cover
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=term:skip-covered

# Needs root. Building the virtual machine takes about six minutes the first time; later runs reuse it.
boot: $(READY_TO_TEST) ## boot the kiosk in a virtual machine: from power on to a GIF on a phone, faults and power cuts
	@tools/machine-packages boot
	@$(BIN)/python -m tests.boot.image
	@tools/boot $(BIN)/python -m 'not boot_long'

boot-long: $(READY_TO_TEST) ## the same, with upgrades and twenty power cuts
	@tools/machine-packages boot
	@$(BIN)/python -m tests.boot.image
	@tools/boot $(BIN)/python

# Needs root. SUITE="trixie bookworm" runs both.
arm: $(READY_TO_TEST) ## run the demo and the quick tests on arm64, the Pi's processor, in about an hour
	@tools/machine-packages arm
	@$(BIN)/python -m tests.boot.arm $(SUITE)

check: $(READY_TO_CHECK) ## check formatting, lint, shell scripts and strict types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	PATH="$(BIN):$$PATH" tools/shellcheck
	$(BIN)/mypy

format: $(READY_TO_CHECK) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

messages: setup ## bring the translations' template and catalogues up to date with the code
	$(BIN)/python -m tools.messages

bench: setup ## time each step from camera to display
	$(BIN)/pose-mirror bench

fuzz: $(READY_TO_TEST) ## fuzz everything that reads files, for an hour; SECONDS=60 TARGETS=config for less
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet --editable '.[fuzz]' --constraint constraints.txt
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),3600) $(TARGETS)

soak: $(READY_TO_TEST) ## run the mirror for an hour while faults strike it, and print a verdict; MINUTES=6 for less
	@$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),60) $(if $(SEED),--seed $(SEED))

clean: ## remove everything built here
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
