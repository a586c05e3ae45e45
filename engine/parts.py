"""The parts of a run, built from its configuration and found to fit together before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from engine.build import LabelledClips, build_feeder, build_model, check_fit, check_forward
from engine.checkpoint import read_checkpoint
from engine.config import Config
from engine.data import test_batches
from engine.device import choose_device
from engine.evaluate import Evaluation, evaluate
from engine.journal import Journal
from engine.optim import check_schedule, freeze, peak_rate
from engine.precision import Precision, choose_precision
from engine.weights import check_state, load_weights, read_weights
from engine.workdir import WorkDir
from errors import InputError


@dataclass(frozen=True)
class Parts:
    """What training and testing work with.

    ``feeders`` has ``test`` and, for training, ``train``; ``checkpoint`` is what the run goes on from, if it does;
    ``notes`` is what to tell the user once there is a log.
    """

    config: Config
    device: torch.device
    precision: Precision
    model: nn.Module
    feeders: Mapping[str, LabelledClips]
    work_dir: WorkDir
    checkpoint: Mapping[str, Any] | None
    notes: list[str]


def build_parts(config: Config) -> Parts:
    """All parts of the run that ``config`` describes.

    Raises:
        InputError: something the user gave does not work.
    """
    if config.work_dir is None and config.checkpoint:
        raise InputError(f"{config.checkpoint} does not lie in the checkpoints of a work dir: give --work-dir")
    work_dir = WorkDir(config)
    device, device_note = choose_device(config.device)
    precision, precision_note = choose_precision(config, device)
    model = build_model(config)
    used = ("train", "test") if config.phase == "train" else ("test",)
    feeders: dict[str, LabelledClips] = {part: build_feeder(config, part) for part in used}
    for part, feeder in feeders.items():
        check_fit(config, feeder, part)
    check_forward(config, model, feeders["test"])
    checkpoint = read_checkpoint(config.checkpoint) if config.checkpoint else None
    notes = [note for note in (device_note, precision_note) if note]
    notes += getattr(model, "notes", [])
    notes += _load_initial(model, config, checkpoint)
    if config.phase == "train":
        check_schedule(config)
        notes += freeze(model, config.freeze)
        if config.scale_lr:
            notes.append(
                f"scale_lr: learning rate {config.base_lr:g} * {config.batch_size} / {config.base_batch_size} "
                f"= {peak_rate(config):g}"
            )
    return Parts(config, device, precision, model.to(device), feeders, work_dir, checkpoint, notes)


def evaluate_parts(parts: Parts, model: nn.Module, journal: Journal) -> Evaluation:
    """Scores of the test part: in training, in ``--phase test``, always these."""
    config, feeder = parts.config, parts.feeders["test"]
    pin = parts.device.type == "cuda"
    size = max(1, config.test_batch_size // getattr(feeder, "num_clips", 1))
    batches = test_batches(feeder, size, seed=config.seed, num_worker=config.num_worker, pin=pin)
    return evaluate(
        model,
        journal.progress(batches, "test"),
        feeder.sample_name,
        precision=parts.precision,
        device=parts.device,
        at_once=config.test_batch_size,
    )


def _load_initial(model: nn.Module, config: Config, checkpoint: Mapping[str, Any] | None) -> list[str]:
    """Weights from ``--weights``, or else from the checkpoint; what there is to say about them."""
    training = config.phase == "train"
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
        state, source = read_weights(config.weights), config.weights
    elif checkpoint is not None:
        raise InputError(f"{config.checkpoint} holds no weights; name the file of the same epoch with --weights")
    elif training:
        return []
    else:
        raise InputError("weights is missing: say with --weights what to test")
    said = load_weights(model, state, source, ignore=config.ignore_weights, new_head=training and checkpoint is None)
    return [f"weights from {source}", *said]
