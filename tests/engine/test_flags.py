"""The command line: every flag of MS-G3D, the same as YAML keys, and which of default, file and flag wins."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from engine.config import DEFAULTS
from engine.flags import parse
from errors import InputError

TRAIN = """
work_dir: ./work_dir/ntu/xsub/msg3d_joint

feeder: feeders.feeder.Feeder
train_feeder_args:
  data_path: ./data/ntu/xsub/train_data_joint.npy
  label_path: ./data/ntu/xsub/train_label.pkl
  debug: False
  random_choose: False
  random_shift: False
  random_move: False
  window_size: -1
  normalization: False

test_feeder_args:
  data_path: ./data/ntu/xsub/val_data_joint.npy
  label_path: ./data/ntu/xsub/val_label.pkl

model: model.msg3d.Model
model_args:
  num_class: 60
  num_point: 25
  num_person: 2
  num_gcn_scales: 13
  num_g3d_scales: 6
  graph: graph.ntu_rgb_d.AdjMatrixGraph

weight_decay: 0.0005
base_lr: 0.05
step: [30, 40]
num_epoch: 50
device: [0]
batch_size: 32
forward_batch_size: 16
test_batch_size: 32
nesterov: True
"""
TEST = """
feeder: feeders.feeder.Feeder
test_feeder_args:
  data_path: ./data/kinetics/val_data_bone.npy
  label_path: ./data/kinetics/val_label.pkl
  debug: False

model: model.msg3d.Model
model_args:
  num_class: 400
  num_point: 18
  num_person: 2
  num_gcn_scales: 8
  num_g3d_scales: 8
  graph: graph.kinetics.AdjMatrixGraph

phase: test
device: [0]
test_batch_size: 32
weights: ./pretrained_models/kinetics-bone.pt
work_dir: ./eval/kinetics/bone/
save_score: True
"""


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def write(text: str, name: str = "run.yaml") -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_a_training_file_of_msg3d_is_taken_as_it_is(file: Any) -> None:
    config, origin = parse(["--config", file(TRAIN)])
    assert config.phase == "train"
    assert config.work_dir == "./work_dir/ntu/xsub/msg3d_joint"
    assert config.train_feeder_args == {
        "data_path": "./data/ntu/xsub/train_data_joint.npy",
        "label_path": "./data/ntu/xsub/train_label.pkl",
        "debug": False,
        "random_choose": False,
        "random_shift": False,
        "random_move": False,
        "window_size": -1,
        "normalization": False,
    }
    assert (config.model, config.model_args["num_gcn_scales"]) == ("model.msg3d.Model", 13)
    assert (config.weight_decay, config.base_lr, config.step, config.num_epoch) == (0.0005, 0.05, [30, 40], 50)
    assert (config.batch_size, config.forward_batch_size, config.test_batch_size) == (32, 16, 32)
    assert (config.device, config.nesterov) == (["0"], True)
    assert origin["seed"] == "default"
    assert origin["model_args.graph"] == file(TRAIN)


def test_a_test_file_of_msg3d_is_taken_as_it_is(file: Any) -> None:
    config, _ = parse(["--config", file(TEST)])
    assert (config.phase, config.save_score, config.test_batch_size) == ("test", True, 32)
    assert config.weights == "./pretrained_models/kinetics-bone.pt"
    assert config.model_args == {
        "num_class": 400,
        "num_point": 18,
        "num_person": 2,
        "num_gcn_scales": 8,
        "num_g3d_scales": 8,
        "graph": "graph.kinetics.AdjMatrixGraph",
    }


FLAGS: list[tuple[str, list[str], Any]] = [
    ("work-dir", ["w"], "w"),
    ("model_saved_name", ["mine"], "mine"),
    ("assume-yes", [], True),
    ("phase", ["test"], "test"),
    ("save-score", ["True"], True),
    ("save-score", ["false"], False),
    ("seed", ["5"], 5),
    ("log-interval", ["10"], 10),
    ("save-interval", ["2"], 2),
    ("eval-interval", ["3"], 3),
    ("eval-start", ["4"], 4),
    ("print-log", ["False"], False),
    ("show-topk", ["1", "3"], [1, 3]),
    ("feeder", ["feeders.feeder.Feeder"], "feeders.feeder.Feeder"),
    ("num-worker", ["2"], 2),
    ("train-feeder-args", ["data_path=a.npy", "debug=True"], {"data_path": "a.npy", "debug": True}),
    ("test-feeder-args", ["{data_path: a.npy, debug: yes}"], {"data_path": "a.npy", "debug": True}),
    ("model", ["model.msg3d.Model"], "model.msg3d.Model"),
    ("model-args", ["num_class=10", "widths=[6,12,12]"], {"num_class": 10, "widths": [6, 12, 12]}),
    ("model-args", ["{num_class: 10, widths: [6, 12, 12]}"], {"num_class": 10, "widths": [6, 12, 12]}),
    ("model-args", ["layout={name: toy, edges: [[1, 0]]}"], {"layout": {"name": "toy", "edges": [[1, 0]]}}),
    ("model-args", ["text=a=b", "none=", "number=3"], {"text": "a=b", "none": None, "number": 3}),
    ("weights", ["a.pt"], "a.pt"),
    ("ignore-weights", ["fc", "data_bn.bias"], ["fc", "data_bn.bias"]),
    ("half", [], True),
    ("half", ["False"], False),
    ("amp-opt-level", ["2"], 2),
    ("base-lr", ["1e-1"], 0.1),
    ("step", ["30", "40"], [30, 40]),
    ("device", ["0", "1"], ["0", "1"]),
    ("device", ["cpu"], ["cpu"]),
    ("optimizer", ["Adam"], "Adam"),
    ("nesterov", ["True"], True),
    ("nesterov", [], True),
    ("batch-size", ["64"], 64),
    ("test-batch-size", ["16"], 16),
    ("forward-batch-size", ["8"], 8),
    ("start-epoch", ["3"], 3),
    ("num-epoch", ["5"], 5),
    ("weight-decay", ["0.001"], 0.001),
    ("optimizer-states", ["o.pt"], "o.pt"),
    ("debug", ["True"], True),
    ("describe", [], True),
    ("freeze", ["data_bn", r"l1\."], ["data_bn", r"l1\."]),
    ("scale-lr", ["True"], True),
    ("base-batch-size", ["128"], 128),
    ("lr-schedule", ["cosine"], "cosine"),
    ("min-lr", ["1e-4"], 1e-4),
    ("warm-up-epoch", ["5"], 5),
    ("label-smoothing", ["0.1"], 0.1),
    ("stream", ["bone"], "bone"),
    ("amp-dtype", ["bfloat16"], "bfloat16"),
    ("allow-import", ["mine", "yours"], ["mine", "yours"]),
    ("resume", ["auto"], "auto"),
    ("seeds", ["1", "2"], [1, 2]),
    ("deterministic", [], True),
    ("sync-bn", ["True"], True),
    ("forward-batch-size", ["auto"], "auto"),
    ("checkpoint-activations", [], True),
    ("no-fuse", [], True),
    ("no-malloc-tuning", [], True),
    ("max-bad-steps", ["5"], 5),
    ("save-every-steps", ["100"], 100),
    ("keep", ["3"], 3),
    ("test-best", [], True),
    ("test-last", [], True),
    ("validate", [], True),
    ("eval", ["top_k_accuracy", "mean_class_accuracy"], ["top_k_accuracy", "mean_class_accuracy"]),
    ("out", ["result.pkl"], "result.pkl"),
]


@pytest.mark.parametrize(("flag", "words", "wanted"), FLAGS)
@pytest.mark.parametrize("write", [lambda flag: flag.replace("_", "-"), lambda flag: flag.replace("-", "_")])
def test_every_flag_is_taken_with_dashes_and_with_underscores(
    write: Any, flag: str, words: list[str], wanted: Any
) -> None:
    config, origin = parse([f"--{write(flag)}", *words])
    key = flag.replace("-", "_")
    assert getattr(config, key) == wanted
    assert origin[key] == f"--{key.replace('_', '-')}"
    assert all(source == "default" for other, source in origin.items() if other.split(".")[0] != key)


def test_every_setting_but_the_checkpoint_is_in_the_table_above() -> None:
    """The checkpoint's flag reads the file, so it has tests of its own."""
    assert {flag.replace("-", "_") for flag, _, _ in FLAGS} | {"checkpoint"} == set(DEFAULTS)


def test_half_leaves_the_next_flag_alone() -> None:
    config, _ = parse(["--half", "--batch-size", "4"])
    assert (config.half, config.batch_size) == (True, 4)


def test_an_equals_sign_and_a_flag_given_twice() -> None:
    config, _ = parse(
        ["--base-lr=0.2", "--num-epoch", "3", "--num-epoch", "4", "--model-args", "a=1", "--model-args", "b=2"]
    )
    assert (config.base_lr, config.num_epoch, config.model_args) == (0.2, 4, {"a": 1, "b": 2})


def test_flags_win_over_the_file_over_its_bases_over_defaults(file: Any) -> None:
    low = file(
        "base_lr: 0.3\nstep: [10, 20]\nnum_epoch: 7\nmodel_args: {num_class: 60, num_point: 25, num_person: 2}",
        "low.yaml",
    )
    top = file("base: low.yaml\nnum_epoch: 8\nbatch_size: 4\nmodel_args: {num_class: 27}")
    config, origin = parse(["--config", top, "--batch-size", "2", "--model-args", "num_point=20", "--step", "5"])
    assert (config.base_lr, config.num_epoch, config.batch_size, config.weight_decay) == (0.3, 8, 2, 0.0005)
    assert config.step == [5]
    assert config.model_args == {"num_class": 27, "num_point": 20, "num_person": 2}
    wanted = {
        "weight_decay": "default",
        "base_lr": low,
        "num_epoch": top,
        "batch_size": "--batch-size",
        "step": "--step",
        "model_args.num_class": top,
        "model_args.num_point": "--model-args",
        "model_args.num_person": low,
    }
    assert {key: origin[key] for key in wanted} == wanted


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--bse-lr", "0.1"], "unknown argument '--bse-lr'; did you mean '--base-lr'?"),
        (["--bse-lr=0.1"], "did you mean '--base-lr'?"),
        (["--batch", "3"], "unknown argument '--batch'; did you mean '--batch_size'?"),  # no abbreviations
        (["train.yaml"], "unknown argument 'train.yaml'"),
        (["--base-lr"], "--base-lr/--base_lr: expected one argument"),
        (["--step"], "expected at least one argument"),
        (["--base-lr", "fast"], "--base-lr: base_lr is 'fast', wanted a number"),
        (["--phase", "eval"], "--phase: phase is 'eval', wanted one of train, test"),
        (["--save-score", "perhaps"], "--save-score: save_score is 'perhaps', wanted True or False"),
        (["--model-args", "num_class"], "--model-args: wanted key=value or a YAML mapping, got 'num_class'"),
        (["--model-args", "a=[1"], "--model-args: wanted key=value or a YAML mapping, got 'a=[1'"),
        (["--model-args", "a=&x [*x]"], "--model-args: wanted key=value or a YAML mapping, got 'a=&x [*x]'"),
        (["--model-args", "5"], "--model-args: wanted key=value or a YAML mapping, got '5'"),
        (["--config", ""], "--config: config is '', wanted text that is not empty"),
        (["--checkpoint", ""], "--checkpoint: checkpoint is '', wanted text that is not empty"),
        (["--work-dir", ""], "--work-dir: work_dir is '', wanted text that is not empty"),
        (["--model-saved-name="], "--model-saved-name: model_saved_name is '', wanted text that is not empty"),
        (["--config", "gone.yaml"], "gone.yaml: no such file"),
        (["--checkpoint", "gone.pt"], "gone.pt: no such file"),
    ],
)
def test_bad_command_lines_are_refused_in_one_line(argv: list[str], says: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(argv)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_changelog_has_a_line_for_every_flag_that_is_not_ms_g3ds() -> None:
    """So that a new flag, or one that is renamed or gone, comes with one."""
    changelog = (Path(__file__).resolve().parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")
    flags = {f"--{key.replace('_', '-')}" for key in DEFAULTS} - OF_MS_G3D
    named = set(re.findall(r"`(--[a-z-]+)", changelog))
    assert sorted(flags - named) == []


# The flags of MS-G3D's main.py, which were there from the beginning.
OF_MS_G3D = {
    *("--phase", "--work-dir", "--seed", "--debug", "--feeder", "--train-feeder-args", "--test-feeder-args"),
    *("--num-worker", "--model", "--model-args", "--weights", "--ignore-weights", "--checkpoint", "--optimizer-states"),
    *("--start-epoch", "--device", "--half", "--amp-opt-level", "--num-epoch", "--batch-size", "--forward-batch-size"),
    *("--test-batch-size", "--optimizer", "--base-lr", "--nesterov", "--weight-decay", "--step", "--eval-interval"),
    *("--eval-start", "--save-interval", "--save-score", "--show-topk", "--log-interval", "--print-log"),
    *("--model-saved-name", "--assume-yes"),
}
