# Every target does its own set-up. The environment is made once, and brought up to date when the pins change.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help quickstart starter test lint format

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

quickstart: $(READY) ## train teachers and a student on generated garments, and predict with the result
	@$(BIN)/mtss-zoo quickstart

starter: $(READY) ## train the student that comes with the package anew: make starter DATA=folder/of/the/photos
	@test -n "$(DATA)" || { echo "Name the folder with images/, styles.csv and splits.csv: make starter DATA=..."; exit 1; }
	$(BIN)/mtss-zoo train mtss_student_fashion_products --data-root $(DATA) --out runs/starter
	$(BIN)/python -m mtss_zoo_starter.pack runs/starter/student

test: lint ## lint, types and all tests, the slow ones too
	@$(BIN)/python tests/browser/chromium.py
	$(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile

lint: $(READY) ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(READY) ## mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed. Install it, or name it: make PYTHON=/path/to/python3"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[test,dev,corruptions,demo,export,plots,ray,tensorboard,tune]'
# The corruptions ask for opencv-python, which needs libGL; where that is missing, the build without windows takes its place.
	@$(BIN)/python -c 'import cv2' 2>/dev/null || \
		$(BIN)/python -m pip install -q --force-reinstall --no-deps -c constraints.txt opencv-python-headless
	@touch $@
