"""The configuration that trains a network on imported recordings: every value is there to be changed."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

import yaml

# At half the published width: a few hundred to a few thousand clips learn no more from the full one.
_NETWORKS = {
    "msg3d": "  num_gcn_scales: 8\n  num_g3d_scales: 4\n  widths: [48, 96, 192]",
    "mstgcn": "  widths: [56, 112, 224]",
    "dgstgcn": "  widths: [32, 64, 128]",
    "msagcn": "  k: 2\n  global_context: ema\n  widths: [40, 80, 160]",
}
NETWORKS = tuple(_NETWORKS)


@dataclass(frozen=True)
class OwnData:
    """What the configuration needs to know of a store.

    Attributes:
        store: its folder.
        layout: built-in name or YAML file of its skeleton.
        center: joint that becomes the origin of 3-D poses.
        train: split that is trained on.
        test: split that is tested on.
        shape: (C, V, M).
        dims: 2 or 3, the coordinates of a joint.
        scores: whether a channel of scores comes after them.
        in_units: whether 2-D poses are in units of the picture already.
        num_class: classes.
        clips: how many there are to train on.
    """

    store: str
    layout: str
    center: int
    train: str
    test: str
    shape: tuple[int, int, int]
    dims: int
    scores: bool
    in_units: bool
    num_class: int
    clips: int


def training_yaml(data: OwnData, network: str, name: str) -> str:
    """The text of ``train.yaml`` for one of ``NETWORKS``; ``name`` is that of the data, for the work dir."""
    channels, joints, bodies = data.shape
    place = ["trim: {inside: true}  # of the frames in which nobody is there"]
    if data.dims == 3:
        place.append(f"center: {{joint: {data.center}}}  # becomes the origin, where it is seen first")
    elif not data.in_units:
        place.append(
            "pre_normalize_2d: {mode: auto, least: 0}  # the stretch that a clip's joints cover becomes -1 to 1"
        )
    turn = f"random_rotation{'' if data.dims == 3 else '_2d'}: {{theta: 0.3}}  # radians"
    stream = "stream: {scores: mean}" if data.scores else "stream"
    batch = min(data.clips, 16, max(4, data.clips // 8))  # eight steps an epoch, if there are clips for them
    itself = shlex.quote(f"{data.store}/train.yaml")
    crop = "crop_resize: {window: 64, p_interval: "
    return f"""\
# Written by data_gen.import_poses. From the repository: python3 main.py --config {itself}
work_dir: {_word(f"./work_dir/{name}/{network}_{{stream}}")}
stream: joint  # or bone, joint_motion, bone_motion: all are made of the same clips

feeder: feeders.feeder.Feeder
train_feeder_args:
  data_path: {_word(data.store)}
  split: {data.train}
  layout: {_word(data.layout)}
  transforms:
{_items([*place, f"{crop}[0.75, 1.0]}}  # frames; a random share of them", turn, stream])}
test_feeder_args:
  data_path: {_word(data.store)}
  split: {data.test}
  layout: {_word(data.layout)}
  transforms:
{_items([*place, f"{crop}[0.95]}}", stream])}

model: model.{network}.Model
model_args:
  num_class: {data.num_class}
  num_point: {joints}
  num_person: {bodies}
  in_channels: {channels}
  graph: graph.custom.AdjMatrixGraph
  graph_args: {{layout: {_word(data.layout)}}}
{_NETWORKS[network]}

optimizer: Adam
base_lr: 0.001
weight_decay: 0.0001
step: [21, 27]  # epochs after which the rate is divided by ten
num_epoch: 30
eval_interval: 3
batch_size: {batch}
forward_batch_size: {batch}
test_batch_size: 64
"""


def _items(lines: list[str]) -> str:
    return "\n".join(f"    - {line}" for line in lines)


def _word(text: str) -> str:
    """A text as YAML reads it, in quotes where it must be."""
    plain = text.replace("/", "").replace("_", "").replace("-", "").replace(".", "").isalnum()
    plain = plain and text[0] in "./abcdefghijklmnopqrstuvwxyz" and yaml.safe_load(text) == text  # no is False
    return text if plain else json.dumps(text, ensure_ascii=False)
