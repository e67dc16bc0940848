# Two commands do everything: `make lab` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: lab test kerberos lint lock bench soak recordings clean
.DEFAULT_GOAL := test

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "kwinnow needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Set PYTHON=python3.11")'
	@echo "==> making the virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed. On Debian: apt install python3-venv" >&2; exit 1; }
	@echo "==> installing locked dependencies"
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@

lab: $(STAMP)
	@$(BIN)/kwinnow lab --scenario flannel-2022 --plant cni.flannel.vni

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test: $(STAMP) lint
	@$(BIN)/pytest -n auto

# What the lab answers without an engine, and the healthy examples: needs pwsh (KWINNOW_PWSH or PATH).
recordings: $(STAMP)
	@$(BIN)/python tests/examples.py
	@$(BIN)/python tests/record_lab.py

soak: $(STAMP)
	@KWINNOW_SOAK=1 $(BIN)/pytest tests/soak tests/lab/test_every_fault.py tests/lab/test_mending_by_kubectl.py --soak --timeout=0

bench: $(STAMP)
	@$(BIN)/python -m bench

lock:
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o requirements/runtime.txt
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml --group dev -o requirements/dev.txt
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml --group dev --extra kerberos -c requirements/dev.txt -o requirements/kerberos.txt

# The tests of Kerberos need more: Debian's krb5-kdc krb5-admin-server krb5-user libkrb5-dev, and a C compiler.
kerberos: $(STAMP)
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements/kerberos.txt

clean:
	rm -rf $(VENV) build dist
