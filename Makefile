PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Two cores have room for three, since many tests wait for processes that they have started. The
# slow tests need up to 12 GB each.
WORKERS ?= 3
SLOW_WORKERS ?= 2
CORE := tests/config tests/masking tests/pruning tests/store tests/tickets tests/training tests/test_packaging.py

.PHONY: run test test-all test-pythons test-other-pythons coverage lint format docs bench clean

run: .venv/installed
	$(BIN)/python main.py --flagfile=configs/digits_lenet.cfg

# With PYTHONS=all, as CI runs it, also the core's tests with each other Python that is here.
test: lint
	$(BIN)/pytest -n $(WORKERS) --dist loadfile
	[ "$(PYTHONS)" != all ] || $(MAKE) test-other-pythons

test-all: lint
	$(BIN)/pytest -n $(SLOW_WORKERS) --dist loadfile -m "slow or not slow"

# The main job and the tests of the core with each other Python that is here, and, on 3.11, with the
# lowest versions of what is needed; in environments of their own, .venv-3.12 and so on, of 3.2 GB.
test-pythons: test-other-pythons test-python-lowest

test-other-pythons: .venv/installed
	for python in 3.11 3.12 3.13; do \
	  ! python$$python -c "" 2> /dev/null || [ -e $(BIN)/python$$python ] || \
	  $(MAKE) test-python-$$python || exit 1; \
	done

test-python-%: .venv-%/installed
	.venv-$*/bin/python -m pip check
	.venv-$*/bin/python main.py --flagfile=configs/digits_lenet.cfg --workdir=$$(mktemp -d)
	.venv-$*/bin/pytest -n $(WORKERS) --dist loadfile $(CORE)

# What the fast tests reach, their processes included.
coverage: .venv/installed
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --cov --cov-report=term:skip-covered

lint: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The pages that are made from the code, and of all pages the site, in site/.
docs: .venv/installed
	$(BIN)/python docs/make_api.py
	$(BIN)/python docs/make_architecture.py
	$(BIN)/python docs/make_claims.py
	$(BIN)/python docs/make_result_figures.py
	$(BIN)/python docs/make_flags.py
	$(BIN)/python docs/make_site.py
	$(BIN)/zensical build

bench: .venv/installed
	$(BIN)/python benchmarks/import_time.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/train_step.py
	$(BIN)/python benchmarks/held_masks.py
	$(BIN)/python benchmarks/sparse_runtime.py
	$(BIN)/python benchmarks/workloads.py
	$(BIN)/python benchmarks/input_pipeline.py
	$(BIN)/python benchmarks/pruning_step.py
	$(BIN)/python benchmarks/landscape.py

clean:
	rm -rf .venv .venv-* .coverage* .pytest_cache .ruff_cache .import_linter_cache .cache build/site_pages site

.venv/installed: requirements.txt requirements-test.txt requirements-dev.txt
	$(PYTHON) -m venv .venv
	@echo "Installing TensorFlow and what it needs into .venv, 3.2 GB: minutes, more on a slow line."
	$(BIN)/pip install --disable-pip-version-check -r requirements-dev.txt -e .
	touch $@

# Kept, though only patterns name them.
.PRECIOUS: .venv-%/installed

.venv-lowest/installed: requirements.txt requirements-test.txt requirements-lowest.txt
	python3.11 -m venv .venv-lowest
	.venv-lowest/bin/pip install --disable-pip-version-check -r requirements-test.txt -c requirements-lowest.txt -e .
	touch $@

.venv-%/installed: requirements.txt requirements-test.txt
	python$* -m venv .venv-$*
	.venv-$*/bin/pip install --disable-pip-version-check -r requirements-test.txt -e .
	touch $@
