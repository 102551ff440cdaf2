# One virtual environment, made once; every command sets up what it needs.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready

.PHONY: demo test quick lint format clean

demo: $(READY)
	$(VENV)/bin/python examples/demo.py

# Two processes of one thread each: two threads gain little on tensors as small as those of the tests. A file's tests
# stay together, for what they share takes longer to make than most of them to run.
test: lint
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q -n 2 --dist loadfile

# What is not slow: under three minutes on one core, while working. What it leaves out is named at its end.
quick: $(READY)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q -m 'not slow'

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/basedpyright

format: $(READY)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# The stamp comes last: a set-up that was interrupted is done again.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "CryoFIFA needs Python 3.11 or later (make PYTHON=...)")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) demo build dist src/*.egg-info .pytest_cache .ruff_cache .hypothesis
	find src tests benchmarks examples dev -name __pycache__ -type d -prune -exec rm -rf {} +
