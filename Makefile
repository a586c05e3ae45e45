# The whole way: `make demo`. Another Python: `make setup PYTHON=python3.12`.
PYTHON ?= python3
RUN := $(or $(RUN),$(shell date +%Y%m%d-%H%M%S))
DEMO := work_dir/demo/$(RUN)/msg3d
SEED ?= 1
BONES := --train-feeder-args data_path=data/demo/ntu/xsub/train_data_bone.npy \
	--test-feeder-args data_path=data/demo/ntu/xsub/val_data_bone.npy
PY := .venv/bin/python

.PHONY: setup demo test test-all lint format

setup: .venv/.installed  ## .venv with everything, under constraints.txt

.venv/.installed: pyproject.toml constraints.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup  ## make recordings, prepare them, train two streams, test, fuse, draw, report
	$(PY) -m data_gen.demo_gendata
	$(PY) -m data_gen.ntu_gendata --data-path data/demo/nturgb+d_skeletons --out-folder data/demo/ntu
	$(PY) -m data_gen.gen_bone_data --data-path data/demo --dataset ntu
	$(PY) main.py --config config/demo/msg3d.yaml --stream joint --seed $(SEED) --work-dir $(DEMO)_joint
	$(PY) main.py --config config/demo/msg3d.yaml --stream bone $(BONES) --seed $(SEED) --work-dir $(DEMO)_bone
	$(PY) main.py --config config/demo/msg3d.yaml --phase test --stream joint \
		--weights $(DEMO)_joint/weights/*-8-*.pt --work-dir $(DEMO)_joint/test
	$(PY) main.py --config config/demo/msg3d.yaml --phase test --stream bone $(BONES) \
		--weights $(DEMO)_bone/weights/*-8-*.pt --work-dir $(DEMO)_bone/test
	$(PY) ensemble.py --scores $(DEMO)_joint/test $(DEMO)_bone/test
	$(PY) -m engine.show --scores $(DEMO)_joint/test $(DEMO)_bone/test --class-names demo --out $(DEMO)_confusion.png
	$(PY) -m engine.show data/demo/nturgb+d_skeletons/S003C001P002R001A010.skeleton --out $(DEMO)_kick.png
	$(PY) -m engine.show data/demo/nturgb+d_skeletons/S003C001P002R001A010.skeleton --out $(DEMO)_kick.gif
	$(PY) -m engine.report $(DEMO)_joint/test $(DEMO)_bone/test --class-names demo --out $(DEMO)_report

test: lint  ## what a change must pass
	.venv/bin/pytest -n 2

test-all: lint  ## the slow tests too
	.venv/bin/pytest -n 2 -m ""

lint: setup
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

format: setup
	.venv/bin/ruff check --fix
	.venv/bin/ruff format
