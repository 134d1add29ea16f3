# make demo: the method on rendered videos; on two cores 3.5 minutes with bfloat16 units, 13.5 on older ones with other work.
# make test: lint, type hints and test suite.
# make test-slow: the tests that this leaves out, whole studies and large networks.
# make smoke: every row of the papers' tables at tiny sizes, about an hour on two cores.
# All make .venv and install the exact set of constraints.txt first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_DIR ?= runs/demo
SMOKE_DIR ?= runs/smoke
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: demo test suite test-slow smoke lint clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	$(BIN)/python -m spl_tf.recipe --gin_file=demo.gin --output_dir=$(DEMO_DIR)

# At once: the checks of types keep a single core busy.
test: $(VENV)/installed-test
	$(MAKE) --jobs=2 lint suite

suite: $(VENV)/installed-test
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/installed-test
	$(BIN)/python -m pytest -m slow -n auto --dist loadfile --no-loadscope-reorder

smoke: $(VENV)/installed-test
	$(BIN)/python -m tools.smoke.recipes --output_dir=$(SMOKE_DIR)

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "spl_tf needs Python 3.11 or newer: make PYTHON=python3.11 ..." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "python3-venv is missing: sudo apt-get install python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/pip setup.cfg setup.py constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info
