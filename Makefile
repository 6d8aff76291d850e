# `make demo` and `make test` are all a newcomer needs; both build the environment first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
CLIENTS := .venv-clients
CLIENTS_STAMP := $(CLIENTS)/.installed
NODE_CLIENTS := tests/acceptance/clients
NODE_CLIENTS_STAMP := $(NODE_CLIENTS)/node_modules/.installed
JOBS   ?= 2

# flake8-async's rules against mistakes; its 900s are matters of taste. ASYNC113 wants to know which
# functions are started, and ASYNC114 that all of them are named, but takes every method named run for
# the one that is; ASYNC127 would have httpx replaced by a fork; ASYNC128 does not see that a function
# hands its task_status on.
ASYNC_RULES := --select ASYNC1,ASYNC2,ASYNC3 --extend-ignore ASYNC114,ASYNC127,ASYNC128 \
               --exclude hyperstream/v1 --startable-in-context-manager obey_signals,_run_daemon,_serve

.PHONY: help demo test clients check format bench soak proto lock clean
.DEFAULT_GOAL := help

help:            ## say what the targets do
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(STAMP): requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hyperstream needs Python 3.11 or later; try: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)   ## a fake node, the daemon and a live view; no network needed
	@$(BIN)/hyperstream demo

test: $(STAMP) clients ## the whole test suite
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

clients: $(CLIENTS_STAMP) $(NODE_CLIENTS_STAMP) ## the foreign programs that the suite points at the gateway
$(CLIENTS_STAMP): requirements/clients.lock
	$(PYTHON) -m venv --clear $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/clients.lock
	@touch $@

# A machine without Node or without a network has no reason to fail: it says so, and the one test is skipped.
$(NODE_CLIENTS_STAMP): $(addprefix $(NODE_CLIENTS)/,.npmrc package.json package-lock.json)
	@cd $(NODE_CLIENTS); \
	if ! { command -v node && command -v npm; } >/dev/null; then \
	    echo 'node and npm are not here: the test of @nktkas/hyperliquid is skipped'; \
	elif told=$$(npm ci --ignore-scripts --no-audit --no-fund --loglevel=error 2>&1); then \
	    touch node_modules/.installed; \
	else \
	    rm -rf node_modules; \
	    echo "npm ci in $(NODE_CLIENTS) failed ($$(echo "$$told" | head -n 1)): the test of @nktkas/hyperliquid is skipped"; \
	fi

check: $(STAMP)  ## ruff, flake8-async, mypy strict, the import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/flake8 $(ASYNC_RULES) hyperstream tests benchmarks examples
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py

format: $(STAMP) ## put the code in its standard form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## every benchmark, one after the other
	$(BIN)/python -m benchmarks

soak: $(STAMP)   ## ten thousand blocks with every kind of trouble, a foreign client comparing
	$(BIN)/python -m pytest -m soak -o faulthandler_timeout=900 -s tests/soak

proto: $(STAMP)  ## write hyperstream/v1 anew from proto/
	$(BIN)/python proto/generate.py

lock:            ## resolve the pinned, hashed requirements anew (needs uv and npm)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --output-file requirements/run.lock pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group dev --output-file requirements/dev.lock pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group clients --output-file requirements/clients.lock
	cd $(NODE_CLIENTS) && npm install --package-lock-only --ignore-scripts --no-audit --no-fund --loglevel=error

clean:           ## remove the environment and what the tools left
	rm -rf $(VENV) $(CLIENTS) $(NODE_CLIENTS)/node_modules build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
