# What one types here; `make help` lists it.
#
# Set-up is part of every target: a virtual environment in .venv, the packages of pyproject.toml, and a Chromium where
# browsers are started. What is done already is not done again.

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALL := $(PYTHON) -m pip --disable-pip-version-check --quiet install

# Where a Chromium is looked for when WALLCRAWLER_CHROME is not set: the places that controller/settings.py knows.
CHROMES := /usr/lib/chromium/chromium chromium chromium-browser google-chrome google-chrome-stable

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: up test check bench docs clean help chromium certutil chromedriver

up: $(VENV)/embedded chromium certutil chromedriver ## Start everything on this machine and serve until Ctrl-C
	@$(PYTHON) -m compileall -q wallcrawler services controller
	@exec $(VENV)/bin/wallcrawler up $(ARGS)

# What can share a machine with others of its kind; what can by whole files, because a file's tests share an instance;
# and what wants it for itself: chaos, and whole stacks.
SIDE_BY_SIDE := tests/unit tests/contract tests/deploy tests/integration/localaws
BY_FILES := $(wildcard tests/integration/test_*.py) tests/integration/aws tests/integration/egress \
	tests/integration/gateway tests/e2e tests/conformance
ALONE := tests/integration/localaws/test_docker.py tests/chaos tests/compose

test: $(VENV)/dev chromium certutil chromedriver ## Run the tests; ARGS goes to pytest
ifdef ARGS
	@$(PYTHON) -m pytest $(ARGS)
else
	@$(PYTHON) -m pytest -n 2 $(SIDE_BY_SIDE) --ignore tests/integration/localaws/test_docker.py
	@$(PYTHON) -m pytest -n 2 --dist loadfile $(BY_FILES)
	@$(PYTHON) -m pytest $(ALONE)
endif

check: $(VENV)/dev ## Lint, types, import rules, and docs that are up to date
	@echo "ruff" && $(PYTHON) -m ruff check && $(PYTHON) -m ruff format --check
	@echo "mypy" && $(PYTHON) -m mypy && $(PYTHON) -m mypy docs/print.py deploy/aws/deploy
	@echo "import-linter" && $(VENV)/bin/lint-imports
	@echo "docs" && $(PYTHON) docs/print.py --check

bench: $(VENV)/dev chromium ## Measure; ARGS goes to the benchmarks
	@$(PYTHON) -m benchmarks $(ARGS)

docs: $(VENV)/embedded ## Print the reference pages that come from the code
	@$(PYTHON) docs/print.py

clean: ## Remove .venv, caches and build output; what instances keep in their home stays
	rm -rf $(VENV) .venv-ministack .venv-moto *.egg-info build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find wallcrawler services controller localaws tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do \
	  printf '  %-12s %s\n' "$$name" "$$what"; done

# -- Set-up -----------------------------------------------------------------------------------------------------------

# A copied or moved folder takes its .venv along, which still leads to the old place.
ifneq ($(wildcard $(VENV)/made-in),)
ifneq ($(shell cat $(VENV)/made-in),$(CURDIR))
$(shell rm -rf $(VENV))
endif
endif

# $(call packages,NAMES,ADVICE): install Debian packages where we may, else say what to run and stop.
packages = if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "install $(1) with apt-get"; export DEBIAN_FRONTEND=noninteractive; \
	    apt-get -qq update && apt-get -qq install -y --no-install-recommends $(1) >/dev/null; \
	  else false; fi || { echo "make: $(2)" >&2; exit 1; }

$(PYTHON):
	@python=; for one in python3 python3.11 python3.12 python3.13 python3.14; do \
	   if $$one -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$one; break; fi; \
	 done; \
	 if [ -z "$$python" ]; then echo "make: Python 3.11 or newer is needed, and none was found" >&2; exit 1; fi; \
	 echo "make a virtual environment in $(VENV) with $$($$python --version)"; \
	 if ! $$python -c 'import ensurepip' 2>/dev/null; then \
	   $(call packages,python3-venv,$$python has no venv; run: apt-get install python3-venv); \
	 fi; \
	 $$python -m venv $(VENV) && echo "$(CURDIR)" > $(VENV)/made-in
	@# Dependency groups came with pip 25.1.
	@$(INSTALL) --upgrade 'pip>=25.1'

$(VENV)/embedded: pyproject.toml | $(PYTHON)
	@echo "install wallcrawler and what it needs"
	@$(INSTALL) --editable '.[embedded]'
	@$(PYTHON) -m compileall -q wallcrawler services controller
	@touch $@

$(VENV)/dev: pyproject.toml $(VENV)/embedded
	@echo "install what tests and checks need"
	@$(INSTALL) --editable '.[embedded,aws,localaws,trace]' --group dev
	@touch $@

chromium:
	@for one in "$$WALLCRAWLER_CHROME" $(CHROMES); do command -v "$$one" >/dev/null && exit 0; done; \
	 $(call packages,chromium fonts-liberation libnss3-tools,no Chromium was found; run: apt-get install chromium (Debian) or dnf install chromium (Fedora)$(comma) or set WALLCRAWLER_CHROME)

# Sessions with certificates of their own need it, and no others.
certutil:
	@command -v certutil >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null \
	  || ($(call packages,libnss3-tools,certutil could not be installed: sessions get no certificates of their own)) || true

# Selenium needs it, and nobody else. Where Chromium is Debian's, its version is Chromium's own.
chromedriver:
	@command -v chromedriver >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null \
	  || ($(call packages,chromium-driver,chromedriver could not be installed: Selenium finds none)) || true

comma := ,
