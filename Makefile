# Two commands do everything on a fresh machine with Python 3.11 or newer: `make demo` and `make test`.
PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
CONFIG ?= config/config.yaml
# Processes that share the files of tests, each with about 2 GB of memory and one thread; 0 runs them one after another.
TESTERS ?= 2
BIN := .venv/bin
ARCHIVE_WORD := $(if $(ARCHIVE),archive=$(ARCHIVE))

# A folder of wheels to install from, without any index: `make setup WHEELHOUSE=wheelhouse`.
WHEELHOUSE ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check
FROM := $(if $(WHEELHOUSE),--no-index --find-links $(WHEELHOUSE))

.PHONY: demo try test bench setup wheelhouse lint clean-demo

demo: setup  ## the whole workflow of CONFIG, on ARCHIVE if given
	@$(BIN)/radgen workflow --configfile $(CONFIG) $(if $(ARCHIVE_WORD),--config $(ARCHIVE_WORD)) --cores $(CORES) --rerun-incomplete all

try: setup  ## the same on eight patients with small budgets; the report says TRIAL
	@$(BIN)/radgen workflow --configfile $(CONFIG) --config 'limit={patients: 8}' results=results/trial work=work/trial $(ARCHIVE_WORD) --cores $(CORES) --rerun-incomplete all

test: setup .venv/.dev  ## gates and tests
	@$(BIN)/python -m tests.gates
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(TESTERS) --dist loadfile --no-loadscope-reorder

bench: setup  ## every speed figure beside its goal; QUICK=1 for small sizes
	@$(BIN)/python -m bench $(if $(QUICK),--quick)

setup: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("radgen needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing radgen into .venv (about 7 GB, a few minutes on the first time)"
	@$(PIP) install --quiet $(FROM) -c constraints.txt -e .
	@touch $@

.venv/.dev: .venv/.installed
	@$(PIP) install --quiet $(FROM) -c constraints.txt -e '.[dev]'
	@touch $@

wheelhouse:  ## every package as a file, for machines without a network; about 4 GB. EXTRAS=[dev] brings the tests' too
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) wheel --quiet -c constraints.txt -w wheelhouse 'setuptools>=77' wheel '.$(EXTRAS)'
	@du -sh wheelhouse
