"""What a run is: one frozen dataclass that is schema, check of the YAML files, and command line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from errors import InputError, did_you_mean


def _setting(default: Any, text: str, **extra: Any) -> Any:
    """A field with its help text.

    ``choices``, ``least`` and ``most`` (of numbers) and ``word`` (that may stand in place of a number) go along.
    """
    metadata = {"help": text, **extra}
    if isinstance(default, (list, dict)):
        return field(default_factory=type(default)(default).copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Config:
    """Every setting of a run. The names are YAML keys; flags are the same with dashes (``--work-dir``)."""

    phase: str = _setting("train", "train, or test the given weights", choices=("train", "test"))
    work_dir: str | None = _setting(None, "folder for weights, checkpoints, logs and scores; {stream} is filled in")
    seed: int = _setting(1, "of the weights, the order of the clips and all augmentation", least=0, most=2**63 - 1)
    seeds: list[int] = _setting([], "train once with each, and report mean and deviation", least=0, most=2**63 - 1)
    deterministic: bool = _setting(False, "the same bits in every run on a GPU too, where need be slower")
    stream: str | None = _setting(
        None, "joint, bone, joint_motion, bone_motion, bone_p2 or bone_p5, made of joint data"
    )
    debug: bool = _setting(False, "only the first 100 clips of each part")
    describe: bool = _setting(False, "print the network's shapes, size and cost, and stop")

    feeder: str = _setting("feeders.feeder.Feeder", "dotted path of the data set class")
    train_feeder_args: dict[str, Any] = _setting({}, "its arguments for training, as key=value or a YAML mapping")
    test_feeder_args: dict[str, Any] = _setting({}, "its arguments for evaluation, likewise")
    num_worker: int = _setting(0, "processes that load clips; 0 loads them in the main process", least=0, most=1024)

    model: str | None = _setting(None, "dotted path of the network class")
    model_args: dict[str, Any] = _setting({}, "its arguments, as key=value or a YAML mapping")
    weights: str | None = _setting(None, "weights to start from or to test")
    ignore_weights: list[str] = _setting([], "names of weights to leave out when loading (a prefix is enough)")
    freeze: list[str] = _setting([], "regular expressions: parameters whose names begin so are not trained")
    checkpoint: str | None = _setting(None, "checkpoint to resume from; without --config its own settings are used")
    optimizer_states: str | None = _setting(None, "file of optimizer states to start from")
    resume: str | None = _setting(
        None, "auto: go on from the last whole checkpoint of the work dir, if there is one", choices=("auto",)
    )
    start_epoch: int = _setting(0, "epochs already done (0-indexed epoch to go on with)", least=0)
    allow_import: list[str] = _setting([], "further packages whose classes a checkpoint may name")

    device: list[str] = _setting(
        ["0"], "number of the GPU, or cpu; several make several processes; without a GPU everything runs on the CPU"
    )
    sync_bn: bool = _setting(False, "several processes: BatchNorm over the clips of all of them")
    half: bool = _setting(False, "mixed precision on a GPU")
    amp_opt_level: int = _setting(1, "0 float32, 1 and 2 mixed precision, 3 half precision", choices=(0, 1, 2, 3))
    amp_dtype: str | None = _setting(None, "number format of --half", choices=("float16", "bfloat16"))

    num_epoch: int = _setting(80, "last epoch", least=1, most=2**31)
    batch_size: int = _setting(32, "clips per step of the optimizer", least=1, most=2**31)
    forward_batch_size: int | str = _setting(
        16, "clips per forward pass; gradients add up to batch_size; auto: what fits", least=1, most=2**31, word="auto"
    )
    test_batch_size: int = _setting(256, "clips per forward pass in evaluation", least=1, most=2**31)
    no_fuse: bool = _setting(False, "the network's plain operators in place of the faster ones that do the same")
    no_malloc_tuning: bool = _setting(
        False, "on a CPU, leave freed memory to glibc's defaults: slower, no more left over"
    )
    checkpoint_activations: bool = _setting(False, "train in less memory, computing every block twice")
    max_bad_steps: int = _setting(
        30, "stop after so many steps in a row whose loss or gradients are not finite", least=1, most=2**31
    )
    optimizer: str = _setting("SGD", "optimizer", choices=("SGD", "Adam"))
    base_lr: float = _setting(0.01, "learning rate", least=0)
    scale_lr: bool = _setting(False, "multiply base_lr by batch_size / base_batch_size (the linear rule)")
    base_batch_size: int | None = _setting(None, "batch size that base_lr is meant for, for --scale-lr", least=1)
    lr_schedule: str = _setting(
        "step",
        "step: a tenth after each of --step; cosine: per iteration, down to --min-lr",
        choices=("step", "cosine"),
    )
    min_lr: float = _setting(0.0, "where the cosine ends", least=0)
    warm_up_epoch: int = _setting(0, "first epochs, over which the learning rate rises evenly to its value", least=0)
    nesterov: bool = _setting(False, "Nesterov momentum, of SGD")
    weight_decay: float = _setting(5e-4, "weight decay", least=0)
    label_smoothing: float = _setting(0.0, "share of the target that is spread over all classes", least=0, most=1)
    step: list[int] = _setting([20, 40, 60], "epochs after which the learning rate is divided by 10")

    eval_interval: int = _setting(1, "evaluate after every so many epochs", least=1)
    eval_start: int = _setting(1, "first epoch to evaluate after")
    save_every_steps: int = _setting(0, "save the checkpoint after every so many steps too; 0: never", least=0)
    keep: int = _setting(0, "keep the weights of the last so many epochs, and of the best; 0: of all", least=0)
    save_interval: int = _setting(1, "write weights after every so many epochs", least=1)
    save_score: bool | None = _setting(None, "write scores at every evaluation; left out: at the last one only")
    test_best: bool = _setting(False, "after training, test the best weights too; scores go to best/ in the work dir")
    eval: list[str] = _setting(
        [], "further figures of a test", choices=("top_k_accuracy", "mean_class_accuracy"), metavar="METRIC"
    )
    out: str | None = _setting(None, "file for the scores of a test as pyskl writes them (a .pkl)")
    show_topk: list[int] = _setting([1, 5], "which top-k accuracies to report", least=1)
    log_interval: int = _setting(100, "steps between two points of the training curves", least=1)
    print_log: bool = _setting(True, "write log.txt")
    model_saved_name: str = _setting("weights", "first part of the names of the weight files")
    assume_yes: bool = _setting(False, "accepted for MS-G3D's sake: nothing is ever asked")
    validate: bool = _setting(False, "accepted for pyskl's sake: training always evaluates")
    test_last: bool = _setting(False, "accepted for pyskl's sake: the last epoch is always tested")


TYPES: dict[str, Any] = get_type_hints(Config)
HELP: dict[str, Mapping[str, Any]] = {f.name: f.metadata for f in fields(Config)}
DEFAULTS: dict[str, Any] = {
    f.name: f.default_factory() if f.default_factory is not MISSING else f.default for f in fields(Config)
}


def make_config(values: Mapping[str, Any], origin: Mapping[str, str]) -> Config:
    """A checked configuration; ``origin`` says for every key where its value came from.

    Raises:
        InputError: an unknown key (the nearest is named), a value of another type, or one that is out of range.
    """
    checked = {}
    for key, value in values.items():
        where = origin.get(key, "")
        if key not in TYPES:
            raise InputError(f"{where}: unknown key {key!r}{did_you_mean(key, TYPES)}")
        word = HELP[key].get("word")
        checked[key] = value if word and value == word else _coerce(value, TYPES[key], f"{where}: {key}")
        choices = HELP[key].get("choices")
        found = checked[key] if isinstance(checked[key], list) else [checked[key]]
        if choices and not all(item is None or item in choices for item in found):
            raise InputError(f"{where}: {key} is {value!r}, wanted one of {', '.join(map(str, choices))}")
        least, most = HELP[key].get("least"), HELP[key].get("most", math.inf)
        numbers = [number for number in found if number is not None and number != HELP[key].get("word")]
        if not all(number <= most for number in numbers if most != math.inf):
            raise InputError(f"{where}: {key} is {value!r}, wanted at most {most}")
        if least is not None and not all(number >= least for number in numbers):  # nor is NaN
            raise InputError(f"{where}: {key} is {value!r}, wanted at least {least}")
    if Path(checked.get("model_saved_name", "weights")).name != checked.get("model_saved_name", "weights"):
        where = origin.get("model_saved_name", "")
        raise InputError(f"{where}: model_saved_name is {checked['model_saved_name']!r}, wanted a name without folders")
    return Config(**checked)


def _coerce(value: Any, wanted: Any, where: str) -> Any:
    """``value`` as type ``wanted``: YAML 1.1 reads 1e-3 as a string, and a single item may stand for a list of one."""
    optional = [part for part in get_args(wanted) if part is not NoneType] if NoneType in get_args(wanted) else []
    if optional:
        return None if value is None else _coerce(value, optional[0], where)
    wanted = int if wanted == int | str else wanted  # a number, or the word that make_config knows
    kind = str(wanted).replace("typing.", "")
    if kind.startswith("list"):
        item = int if "int" in kind else str
        return [_coerce(element, item, where) for element in (value if isinstance(value, list) else [value])]
    if kind.startswith("dict"):
        if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
            return dict(value)
        raise InputError(f"{where} is {value!r}, wanted a mapping of names to values")
    if "bool" in kind:
        return _as_bool(value, where)
    try:
        if wanted is int and not isinstance(value, bool) and float(value) == int(float(value)):
            return int(float(value))
        if wanted is float and not isinstance(value, bool):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    if "str" in kind and isinstance(value, (str, int)) and not isinstance(value, bool):
        if not str(value).strip():  # such as a variable of the shell that is not set
            raise InputError(f"{where} is {value!r}, wanted text that is not empty")
        return str(value)
    names = {int: "a whole number", float: "a number"}
    raise InputError(f"{where} is {value!r}, wanted {names.get(wanted, 'text')}")


def _as_bool(value: Any, where: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "y": True, "t": True, "on": True}
    words |= {"false": False, "no": False, "0": False, "n": False, "f": False, "off": False}
    try:
        return words[str(value).lower()]
    except KeyError:
        raise InputError(f"{where} is {value!r}, wanted True or False") from None
