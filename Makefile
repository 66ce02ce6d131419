# SPDX-License-Identifier: Apache-2.0
# Targets use the Python that is active; set PYTHON to choose another.
PYTHON ?= python3
.DEFAULT_GOAL := help
.PHONY: help check lint fast test format hooks ci

help:  ## list these targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

check: lint fast  ## before every commit: style and the fast tests

lint:  ## style only, nothing is changed
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .

fast:  ## tests that are neither slow nor exports
	$(PYTHON) -m pytest -q -ra -m "not slow and not export"

test:  ## all tests
	$(PYTHON) -m pytest -q -ra

format:  ## format, and mend what ruff can mend
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

hooks:  ## run the style checks before each git commit from now on
	$(PYTHON) -m pre_commit install

ci:  ## everything that a change must pass, in fresh virtual environments
	.ci/run
