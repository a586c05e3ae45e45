"""The parts of a run, built from its configuration and found to fit together before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from engine.allocator import keep_freed_memory
from engine.build import LabelledClips, build_feeder, build_model, check_fit, check_forward
from engine.checkpoint import read_last, work_dir_of
from engine.config import Config
from engine.data import test_batches
from engine.device import choose_device
from engine.distributed import ALONE, World, check_shares
from engine.evaluate import Evaluation, evaluate
from engine.journal import Journal
from engine.optim import check_schedule, freeze, optimizer_notes
from engine.precision import Precision, choose_precision
from engine.provenance import data_facts
from engine.recompute import recompute_blocks
from engine.tensor_files import read_tensors
from engine.weights import check_state, load_weights, weights_in
from engine.workdir import WorkDir
from errors import InputError
from model.batch_norm import across_processes
from model.fuse import fuse, left_plain


@dataclass(frozen=True)
class Parts:
    """What training and testing work with.

    ``feeders`` has ``test`` and, for training, ``train``; ``checkpoint`` is what the run goes on from, if it does;
    ``notes`` is what to tell the user once there is a log; ``facts`` are those of the clips that it learns from.
    """

    config: Config
    device: torch.device
    world: World
    precision: Precision
    model: nn.Module
    feeders: Mapping[str, LabelledClips]
    work_dir: WorkDir
    checkpoint: Mapping[str, Any] | None
    notes: list[str]
    facts: Mapping[str, Any]


def build_parts(config: Config, world: World = ALONE) -> Parts:
    """All parts of the run that ``config`` describes, of one process of ``world``.

    Raises:
        InputError: something the user gave does not work.
    """
    _check_places(config)
    work_dir = WorkDir(config)
    device, device_note = choose_device(config.device, world)
    precision, precision_note = choose_precision(config, device, world)
    if config.phase == "train":
        check_shares(world, config)
    model = build_model(config)
    used = ("train", "test") if config.phase == "train" else ("test",)
    feeders: dict[str, LabelledClips] = {part: build_feeder(config, part) for part in used}
    for part, feeder in feeders.items():
        check_fit(config, feeder, part)
    check_forward(config, model, feeders["test"])
    checkpoint, read, damage = read_last(config.checkpoint) if config.checkpoint else (None, None, None)
    config = replace(config, checkpoint=str(read)) if read else config
    notes = [note for note in (device_note, precision_note, damage) if note]
    if device.type == "cpu" and not config.no_malloc_tuning and keep_freed_memory():
        notes.append("freed memory is kept for the next tensors, which is faster (--no-malloc-tuning: it is not)")
    if config.phase == "test" and work_dir.last.is_file():
        notes.append(
            f"scores go into {work_dir.path}, where a training has left its own: ensemble.py reads the later ones "
            "(--work-dir keeps them apart)"
        )
    notes += getattr(model, "notes", [])
    notes += _load_initial(model, config, checkpoint)
    if not config.no_fuse and (count := fuse(model)):
        notes.append(f"{count} operators in their faster form, which gives the same (--no-fuse: the plain ones)")
        if left := left_plain(model):
            notes.append(f"{left} operators are not what they were built as, and stay plain")
    if config.phase == "train":
        check_schedule(config)
        notes += freeze(model, config.freeze)
        notes += optimizer_notes(config)
        if config.sync_bn:
            notes.append(f"sync_bn: {across_processes(model)} BatchNorms over {world.size} processes")
        if config.checkpoint_activations:
            notes.append(f"checkpoint_activations: {recompute_blocks(model)} blocks are computed twice")
    facts = data_facts(feeders.get("train"), config.train_feeder_args.get("layout"))
    return Parts(config, device, world, precision, model.to(device), feeders, work_dir, checkpoint, notes, facts)


def evaluate_parts(
    parts: Parts, model: nn.Module, journal: Journal, stop: Callable[[], None] = lambda: None
) -> Evaluation:
    """Scores of the test part: in training, in ``--phase test``, always these; ``stop`` is called on the way."""
    config, feeder, world = parts.config, parts.feeders["test"], parts.world
    at_once = max(1, config.test_batch_size // world.size)
    batches = test_batches(
        feeder,
        max(1, at_once // getattr(feeder, "num_clips", 1)),
        seed=config.seed,
        num_worker=config.num_worker,
        pin=parts.device.type == "cuda",
        world=world,
    )
    return evaluate(
        model,
        journal.progress(batches, "test"),
        feeder.sample_name,
        precision=parts.precision,
        device=parts.device,
        at_once=at_once,
        world=world,
        say=journal.say,
        stop=stop,
    )


def _check_places(config: Config) -> None:
    """Refuse a run that goes on in no known folder, and a file of results that nothing would write.

    Raises:
        InputError: ``work_dir`` is missing, or ``out`` does not fit.
    """
    if config.work_dir is None and config.checkpoint:
        folder = work_dir_of(config.checkpoint)
        if folder is None:
            raise InputError(f"{config.checkpoint} does not lie in the checkpoints of a work dir: give --work-dir")
        raise InputError(f"work_dir is missing: give --work-dir; {config.checkpoint} is of work dir {folder}")
    if config.out is not None and (config.phase == "train" or not config.out.endswith((".pkl", ".pickle"))):
        raise InputError(f"out is {config.out!r}, wanted a file that ends in .pkl, and --phase test")


def _load_initial(model: nn.Module, config: Config, checkpoint: Mapping[str, Any] | None) -> list[str]:
    """Weights from ``--weights``, or else from the checkpoint; what there is to say about them."""
    training = config.phase == "train"
    said: list[str] = []
    if checkpoint is not None and "model" in checkpoint:  # whatever the run started from, it goes on from here
        state, source = check_state(checkpoint["model"], str(config.checkpoint)), str(config.checkpoint)
        saved = checkpoint["config"].get("stream")
        if saved != config.stream:
            raise InputError(f"{source} was saved by a run of stream {saved}, this one is of {config.stream}")
        frozen = checkpoint["config"].get("freeze") or []
        if training and frozen != config.freeze:
            raise InputError(
                f"{source} was saved by a run with freeze {frozen}, this one has {config.freeze}: "
                "start from its weights instead (--weights)"
            )
    elif config.weights:
        content, source = read_tensors(config.weights), config.weights
        state = weights_in(content, source)
        said += _other_stream(content, config)
    elif checkpoint is not None:
        raise InputError(f"{config.checkpoint} holds no weights; name the file of the same epoch with --weights")
    elif training:
        return []
    else:
        raise InputError("weights is missing: say with --weights what to test")
    new_head = training and checkpoint is None
    said += load_weights(model, state, source, ignore=config.ignore_weights, new_head=new_head)
    return [f"weights from {source}", *said]


def _other_stream(content: object, config: Config) -> list[str]:
    """That weights were trained on another stream, where the file (one of our checkpoints) says so."""
    saved = content.get("config") if isinstance(content, Mapping) else None
    stream = saved.get("stream") if isinstance(saved, Mapping) else None
    if None in (stream, config.stream) or stream == config.stream:
        return []
    return [f"{config.weights} was trained on stream {stream}, and is used on {config.stream}"]
