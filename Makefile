# Everything a developer types. `make` alone lists the targets.

PYTHON ?= python3
PORT ?= 8000
TESTS ?= tests
SECONDS ?= 300

VENV := .venv
VENV_PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install run test chaos lint bench browser clean
MAKEFLAGS += --no-print-directory

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## make .venv with everything that the other targets need (PYTHON=python3)

run: install ## start everything on this machine until Ctrl-C (PORT=8000)
	@exec $(VENV_PYTHON) manage.py up --port '$(PORT)' --demo

test: install browser ## run the tests (TESTS=tests/unit for a part)
	@$(VENV_PYTHON) -m pytest -n 2 --dist loadfile $(TESTS)

chaos: install ## kill and stall processes for longer, on PostgreSQL 18 and on Debian's 15 (SECONDS=300)
	@HAMMER_SECONDS=$(SECONDS) EXAMPLES=200 $(VENV_PYTHON) -m pytest -n 2 --dist loadfile tests/chaos tests/protocol
	@test -x /usr/lib/postgresql/15/bin/postgres || { \
		echo 'PostgreSQL 15 is not here: apt-get install postgresql-15, and again.' >&2; exit 1; }
	@TEST_POSTGRES=15 HAMMER_SECONDS=$(SECONDS) EXAMPLES=50 $(VENV_PYTHON) -m pytest -n 2 --dist loadfile \
		tests/chaos tests/protocol tests/integration/queue

lint: install ## format check, lint, types, imports between the apps, migrations, Django's checks
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(VENV_PYTHON) manage.py makemigrations --check --dry-run
	@$(VENV_PYTHON) manage.py check

bench: install ## measure against other task queues on this machine
	@$(VENV_PYTHON) benchmarks/run.py

clean: ## remove .venv and caches; what `make run` keeps in var/ stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +

# Chromium for the tests marked `browser`, where that is possible without asking; else they are skipped.
browser:
	@command -v chromium >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || { \
		echo 'Installing Chromium for the browser tests.'; \
		{ timeout 120 apt-get update && timeout 600 apt-get install -y --no-install-recommends chromium; } \
			>/dev/null 2>&1 </dev/null || true; }

$(STAMP): requirements.txt requirements-dev.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is not one: make install PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
		echo "$(PYTHON) has no venv module: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	@test -x $(VENV)/bin/pip || { echo 'Installing into $(VENV).'; $(PYTHON) -m venv $(VENV); }
	@$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	@touch $@
