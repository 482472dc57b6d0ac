# make demo    set up, make a synthetic site, track it with the shipped weights, score and show it
# make test    set up and run the tests
# make pifpaf  build OpenPifPaf into the environment (AGPL-3.0, optional)
# make check   ruff and mypy
# PYTHON=python3.12 make test, TORCH_INDEX_URL=... make demo, VENV=/elsewhere make test

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.mtmct-installed
export YOLO_OFFLINE := true
export YOLO_AUTOINSTALL := false

.PHONY: setup demo test pifpaf check clean

setup: $(STAMP)

$(STAMP): setup.cfg constraints.txt tools/setup_environment.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is older. Set PYTHON=python3.12, say."; exit 2; }
	$(PYTHON) -m tools.setup_environment --venv $(VENV)
	@touch $@

demo: setup
	$(BIN)/python -m pipeline.run --demo

test: setup
	$(BIN)/python -m pytest -n auto

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

pifpaf: setup
	$(BIN)/python -m tools.setup_environment --venv $(VENV) --pifpaf

clean:
	rm -rf $(VENV) build *.egg-info
