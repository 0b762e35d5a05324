# One virtual environment, made when it is missing; every target works on a fresh clone with Python and make alone.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CHROMIUM ?= chromium
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check
# two processes with a thread each: torch's own threads gain nothing on networks as small as the tests'
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile
# what both test-newest and test-oldest install
ALL := train,search,hub,report,transformers,ray
export PYTHONNOUSERSITE = 1

.PHONY: help install demo test examples test-browser test-slow test-newest test-oldest check format clean

help:  ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing sondo into $(VENV) (minutes on the first time)"
	@$(PIP) install --quiet --constraint constraints.txt --editable ".[train,dev]"
	@touch $(READY)

install: $(READY)  ## the virtual environment with everything for development

demo: $(READY)  ## a teacher distilled into a small student, on sound that sondo makes itself
	$(BIN)/sondo demo --out runs/demo

test: $(READY)  ## the unit tests, about a minute on two cores
	$(PYTEST)

examples: $(READY)  ## the examples, built and run
	$(PYTEST) tests/test_examples.py -m "slow or not slow"

test-browser: $(READY)  ## examples/browser in headless Chromium; needs npm (Node 20.19 or newer) and chromium
	@command -v npm >/dev/null || { echo "npm is missing: install Node 20.19 or newer, which brings it"; exit 1; }
	@command -v $(CHROMIUM) >/dev/null || { echo "Chromium is missing: apt-get install chromium, or make test-browser CHROMIUM=/path/to/it"; exit 1; }
	npm --prefix examples/browser ci --ignore-scripts
	$(BIN)/python examples/browser/test/make_expected.py examples/browser/test/made
	npm --prefix examples/browser run build
	CHROMIUM=$$(command -v $(CHROMIUM)) npm --prefix examples/browser test

test-slow: $(READY)  ## the tests that take longer, nine to twelve minutes on two cores
	$(PYTEST) -m slow

test-newest:  ## the unit tests with the newest libraries, without pins; gigabytes where torch brings CUDA
	$(PYTHON) -m venv --clear .venv-newest
	.venv-newest/bin/python -m pip --disable-pip-version-check install --quiet --editable ".[$(ALL)]" pytest pytest-xdist
	OMP_NUM_THREADS=1 .venv-newest/bin/python -m pytest -n 2 --dist loadfile

test-oldest:  ## the same with the oldest that pyproject.toml allows; Python 3.11
	$(PYTHON) -m venv --clear .venv-oldest
	.venv-oldest/bin/python -m pip --disable-pip-version-check install --quiet uv
	VIRTUAL_ENV=.venv-oldest .venv-oldest/bin/uv pip install --quiet --resolution lowest-direct --editable ".[$(ALL)]" "pytest>=8" "pytest-xdist>=3.6"
	OMP_NUM_THREADS=1 .venv-oldest/bin/python -m pytest -n 2 --dist loadfile

check: $(READY)  ## linter, formatter and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)  ## let the formatter rewrite the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) .venv-newest .venv-oldest .mypy_cache .ruff_cache .pytest_cache build *.egg-info src/*.egg-info
