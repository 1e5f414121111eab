# Two commands do everything on a fresh machine with Python 3.11 or newer: `make demo` and `make test`.
PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
CONFIG ?= config/config.yaml
BIN := .venv/bin
ARCHIVE_WORD := $(if $(ARCHIVE),archive=$(ARCHIVE))

.PHONY: demo try test bench setup lint clean-demo

demo: setup  ## the whole workflow of CONFIG, on ARCHIVE if given
	@$(BIN)/radgen workflow --configfile $(CONFIG) $(if $(ARCHIVE_WORD),--config $(ARCHIVE_WORD)) --cores $(CORES) --rerun-incomplete all

try: setup  ## the same on eight patients with small budgets; the report says TRIAL
	@$(BIN)/radgen workflow --configfile $(CONFIG) --config 'limit={patients: 8}' results=results/trial work=work/trial $(ARCHIVE_WORD) --cores $(CORES) --rerun-incomplete all

test: setup .venv/.dev  ## gates and tests
	@$(BIN)/python -m tests.gates
	@$(BIN)/python -m pytest

bench: setup  ## every speed figure beside its goal; QUICK=1 for small sizes
	@$(BIN)/python -m bench $(if $(QUICK),--quick)

setup: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("radgen needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing radgen into .venv (about 7 GB, a few minutes on the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/.dev: .venv/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
