# Every verb sets up what it needs. CI runs the same verbs.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
ROWS ?=
FEED ?=
MINUTES ?=
HISTORIES ?=
REPLICAS ?=
USERS ?=
DAYS ?=
SCALE_TO ?=
BENCH ?=
TREE ?=
JSON ?=
JOURNEY ?=

help:  ## explain the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/dev  ## virtual environment with all tools, from the lock file

demo: .venv/run  ## real card purchases through the whole system (ROWS=, FEED=)
	@$(BIN)/spendline demo $(if $(ROWS),--rows $(ROWS)) $(if $(FEED),--feed $(FEED))

up: .venv/run  ## the whole system on this machine until Ctrl-C (REPLICAS=1)
	@$(BIN)/spendline up $(if $(REPLICAS),--replicas $(REPLICAS))

down: .venv/run  ## end what a crash has left running, and a system that is up
	@$(BIN)/spendline down

doctor: .venv/run  ## what is here, what is missing, and the fix
	@$(BIN)/spendline doctor

test: programs lint docs test-unit test-slow test-servers test-faults  ## everything that CI checks

programs: .venv/dev  # what the tests run beside Python
	@$(BIN)/python -m tests.support.programs

lint: .venv/dev  ## style, types and the layer map
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/dev  ## the documentation as pages in docs/_build/html; every warning is an error
	@$(BIN)/sphinx-build --fail-on-warning --keep-going --fresh-env --quiet docs docs/_build/html
	@echo "docs: docs/_build/html/index.html"

test-unit: .venv/dev  ## no server, no socket
	$(BIN)/pytest tests/unit -m "not slow"

test-slow: .venv/dev  ## no server either, but seconds each
	$(BIN)/pytest tests/unit -m slow

coverage: .venv/dev  ## which lines the unit tests run, as a table and in build/coverage/index.html
	$(BIN)/pytest tests/unit -m "not slow" --quiet --cov --cov-report=term --cov-report=html

test-integration: .venv/dev  ## against real servers
	$(BIN)/pytest $(wildcard tests/contract) tests/integration

test-acceptance: .venv/dev  ## real processes, killed and restarted
	$(BIN)/pytest tests/acceptance

test-servers: .venv/dev  # both of the above, on one stack
	$(BIN)/pytest $(wildcard tests/contract tests/integration tests/acceptance)

histories: .venv/dev  ## random histories on PostgreSQL against a plain model (HISTORIES=2000)
	$(BIN)/pytest tests/integration/test_histories.py --histories $(or $(HISTORIES),2000) --timeout 0 -o faulthandler_timeout=0

bench: .venv/dev  ## measure all that is claimed, some ten minutes (BENCH="pipeline latency" chooses)
	@$(BIN)/python -m benchmarks --write-docs $(BENCH)

simulate: .venv/dev  ## two loads of user bases, and what a machine holds (USERS= DAYS= SCALE_TO= MINUTES=)
	@$(BIN)/python -m benchmarks.simulate --users $(or $(USERS),100000) --days $(or $(DAYS),7) \
		--scale-to $(or $(SCALE_TO),1000000) $(if $(MINUTES),--minutes $(MINUTES))

evaluate: .venv/dev  ## random, unseen-merchant and forward-in-time splits side by side
	@$(BIN)/spendline evaluate --taxonomy v1 --splits \
		--data models/development/many_banks.csv --data models/development/household.csv
	@$(BIN)/spendline evaluate --taxonomy v1 --months --data models/development/household.csv

train: .venv/dev  ## the shipped model anew, from the corpus
	$(BIN)/spendline train --shipped

test-faults: .venv/dev  # what make faults runs, without what takes long
	$(BIN)/pytest tests/faults -m "not slow"

faults: .venv/dev  ## every fault that must cost nothing, and a table of what it cost
	$(BIN)/pytest tests/faults --results benchmarks/results/faults.json
	$(BIN)/python -m tests.faults.report

soak: .venv/dev  ## random faults under load, for MINUTES (10)
	@$(BIN)/python -m tests.faults.soak --minutes $(or $(MINUTES),10)

# The run-time environment needs the run-time lock only; the one for development contains it.
# Compiling the kernels once here spares the first worker from it.
COMPILE := from pipeline.store.interleave import load_interleave; from workers.model_slot import ModelSlot; \
	load_interleave(); ModelSlot.load("models/shipped")
.venv/run: requirements.lock pyproject.toml | .venv/bin/pip
	@echo "set-up: installing from requirements.lock"
	@began=$$(date +%s); \
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock && \
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable . && \
	$(BIN)/python -c '$(COMPILE)' && \
	echo $$(($$(date +%s) - began)) > $@ && echo "set-up: $$(cat $@) s"

.venv/dev: requirements-dev.lock requirements.lock pyproject.toml | .venv/bin/pip
	@echo "set-up: installing from requirements-dev.lock"
	@began=$$(date +%s); \
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock && \
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable . && \
	$(BIN)/python -c '$(COMPILE)' && \
	echo $$(($$(date +%s) - began)) | tee .venv/run > $@ && echo "set-up: $$(cat $@) s"

.venv/bin/pip:
	@PYTHON=$(PYTHON) sh .ci/venv

house: .venv/dev  ## how the code is built, beside its bars (JSON=1, TREE=folder, JOURNEY=1)
	@$(BIN)/python -m tests.support.house $(if $(JSON),--json) $(if $(TREE),--tree $(TREE)) \
		$(if $(JOURNEY),--journey)

audit:  ## known weaknesses of the locked packages, by PyPI's advisory database
	@$(PYTHON) -m venv .venv/audit && .venv/audit/bin/pip install --quiet pip-audit
	@for lock in requirements.lock requirements-dev.lock docker/requirements-api.lock; do \
	  .venv/audit/bin/pip-audit --strict --disable-pip --no-deps --require-hashes -r $$lock || exit 1; done

.PHONY: docs house coverage programs simulate audit histories evaluate train faults soak test-faults help setup demo up down doctor test lint test-unit test-slow test-integration test-acceptance \
	test-servers bench
