# `make` alone lists every command. `make run` and `make test` set up all they need.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
# Tests that listen to sound or drive browsers: they need both cores, so nothing runs beside them.
ALONE := tests/rooms/media tests/rooms/test_whip.py tests/rooms/test_play.py tests/trips tests/benchmarks
APPS := accounts clubs core payments rooms stagedoor ticketing

.PHONY: help run demo test check mutants lock bench bench-extras messages clean

help: ## List every command
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.installed .env ## Start everything on this machine and print the address
	@$(BIN)/python manage.py live

demo: .venv/.installed .env ## Play the main job without a browser, line by line
	@$(BIN)/python manage.py demo $(DEMO)

test: .venv/.installed ## Run every test (installs Chromium, Firefox and werift for them if missing)
	@.ci/browsers
ifdef ARGS
	@$(BIN)/python -m pytest $(ARGS)
else
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --cov --cov-report= $(addprefix --ignore=,$(ALONE))
	@$(BIN)/python -m pytest $(ALONE)
	@echo "Lines and branches that the tests without sound and browsers came by:"
	@for app in $(APPS); do printf "  %-11s%s %%\n" $$app "$$($(BIN)/coverage report --format=total --include="$$app/*")"; done
endif

check: .venv/.installed ## Lint, types, import contracts, migrations in step, deployment checks
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@DEBUG=1 $(BIN)/mypy .
	@$(BIN)/lint-imports --no-logo
	@DEBUG=1 $(BIN)/python manage.py makemigrations --check --dry-run
	@.ci/deployment

mutants: .venv/.installed ## Spoil one line at a time, and see whether a test notices (half an hour; ARGS="refund" for some)
	@$(BIN)/python -m tests.mutants.run $(ARGS)

lock: .venv/.installed ## Write requirements.txt anew: exact versions with hashes
	@$(BIN)/python -m piptools compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras \
	  --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  --extra embedded --extra dev -o requirements.txt pyproject.toml

bench: .venv/.installed ## Measure what a listener costs
	@$(BIN)/python -m benchmarks.fanout

bench-extras: .venv/.installed ## Install what `python -m benchmarks.loss` needs besides (builds it)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-bench.txt

clean: ## Forget the virtual environment and all local data
	rm -rf .venv var .coverage staticfiles .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/rooms/media/werift/node_modules tests/trips/axe/node_modules

.env:
	@cp .env.example .env

.venv/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Stagedoor needs Python 3.11 or newer. Install it, or name it: make PYTHON=python3.12 run"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python cannot make a virtual environment. On Debian: apt install python3-venv"; exit 1; }
	@echo "Installing the locked packages (once; a minute or two)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@
