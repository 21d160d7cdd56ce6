# Needs Python >= 3.11, pip and make; everything else is installed into .venv.
#
#   make demo    the main job on the embedded defaults
#   make test    the whole suite, on the installed wheel
#   make lint    ruff, and mypy on the installed wheel
#   make soak    the tests that take long
#   make docs    write docs/cli.md anew
#   make screens take the pictures in docs/screens anew (needs chromium)
#   make clean   remove .venv and everything that was built

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check

# The stamp is named by the content of all that is installed, so that a change, a new and a deleted
# file all count, and a checkout of other times does not.
ROOMS := agents app benchmarks memory models pipelines router search store
CONTENT = find *.py py.typed README.md LICENSE pyproject.toml constraints.txt Makefile $(ROOMS) \
	-type f -not -path '*/__pycache__/*' | LC_ALL=C sort | xargs cksum | cksum | cut -d' ' -f1
STAMP := $(VENV)/.installed-$(shell $(CONTENT))

.PHONY: demo test lint soak docs screens clean install weights

demo: install
	@$(BIN)/callboard demo

test: install weights
	@cd tests && $(BIN)/pytest --numprocesses auto --dist loadfile

soak: install weights
	@cd tests && $(BIN)/pytest -m soak --timeout 3600

# In tests/, so that mypy finds the installed package and not the checkout.
lint: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@cd tests && $(BIN)/mypy --config-file ../pyproject.toml --cache-dir ../.mypy_cache -p callboard

docs: install
	@$(BIN)/python -m callboard.app.cli.reference docs/cli.md

screens: install
	@mkdir -p docs/screens
	@cd tests && SCREENS=$(CURDIR)/docs/screens $(BIN)/pytest app/ui/test_screens.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache tests/.pytest_cache

weights: install
	@$(BIN)/callboard models pull

install: $(STAMP)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Callboard needs Python 3.11 or newer, and '$(PYTHON)' is not. Name one: make PYTHON=python3.11" >&2; exit 1; }
	@echo "Creating $(VENV) ..." >&2
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { \
		$(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip -qq --python $@ install pip; }

# The wheel is built from an sdist in a folder of its own: setuptools would copy what an old build/
# holds into it. pip leaves a package of the same version alone, hence the second installation.
$(STAMP): | $(VENV)/bin/python
	@echo "Installing Callboard and what it needs (some minutes the first time) ..." >&2
	@rm -f $(VENV)/.installed-*
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(PIP) install -c constraints.txt build "setuptools>=77"; \
	$(BIN)/python -m build --no-isolation --outdir "$$folder" . >"$$folder/log" 2>&1 || { cat "$$folder/log" >&2; exit 1; }; \
	$(PIP) install -c constraints.txt "$$(echo "$$folder"/*.whl)[experts,local,login,dev,mcp,ner,postgres,ray,serve,telemetry,train]"; \
	$(PIP) install --force-reinstall --no-deps "$$folder"/*.whl
	@touch $@
