# The whole way: `make demo`. Another Python: `make setup PYTHON=python3.12`.
PYTHON ?= python3
RUN := $(or $(RUN),$(shell date +%Y%m%d-%H%M%S))
DEMO := work_dir/demo/$(RUN)/msg3d

.PHONY: setup demo test test-all lint format

setup: .venv/.installed  ## .venv with everything, under constraints.txt

.venv/.installed: pyproject.toml constraints.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup  ## make clips, train two streams, fuse them
	.venv/bin/python -m data_gen.made_clips --out data/demo
	.venv/bin/python main.py --config config/demo/msg3d.yaml --stream joint --work-dir $(DEMO)_joint
	.venv/bin/python main.py --config config/demo/msg3d.yaml --stream bone --work-dir $(DEMO)_bone
	.venv/bin/python ensemble.py --scores $(DEMO)_joint $(DEMO)_bone

test: lint  ## what a change must pass
	.venv/bin/pytest -n 2

test-all: lint  ## the slow tests too: whole trainings among them
	.venv/bin/pytest -n 2 -m ""

lint: setup
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

format: setup
	.venv/bin/ruff check --fix
	.venv/bin/ruff format
