"""A run from its configuration to its result."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from clips.files import write_text
from engine.checkpoint import Progress, previous_of, put_damaged_aside
from engine.config import Config
from engine.device import choose_device
from engine.distributed import StoppedTogether, World, agreed, gather, hand_out_state, together
from engine.evaluate import Evaluation
from engine.fit import Run, fit, say_accuracy
from engine.journal import Journal
from engine.memory import fitting_forward_batch
from engine.parts import Parts, build_parts, evaluate_parts
from engine.resume import done, start, with_resume
from engine.scoring.files import write_result
from engine.scoring.metrics import confusion_matrix, mean_class_accuracy
from engine.scoring.scores import probabilities, save_scores
from engine.stopping import NothingLeft, listening

BEST = "best"
LAST_OF_TEST = "right-samples.txt"

Begin = tuple[torch.optim.Optimizer, torch.nn.Module, Progress]


def run(config: Config, origin: Mapping[str, str]) -> Evaluation:
    """Train or test what ``config`` describes, and the last evaluation; ``origin`` says where each setting came from.

    Raises:
        InputError: something the user gave does not work. Nothing has been written by then.
        Stopped: the run was told to stop, and has saved where it is.
        NothingLeft: it was to go on, and is at its end.
    """
    if config.deterministic:
        be_deterministic()
    world = World.of_environment()
    device, _ = choose_device(config.device, world)
    with together(world, device):
        parts, begin = agreed(world, lambda: _begin(with_resume(config), world))
        if begin and done(parts.config, begin[2]) and not _best_is_due(parts):
            raise NothingLeft(f"nothing left to train: {begin[2].epoch} epochs are done, see {parts.work_dir.path}")
        if begin:
            _check_same(world, begin[2])
        agreed(world, lambda: _claim(parts, origin, begin))
        try:
            return _train_or_test(parts, begin)
        finally:
            parts.work_dir.release()


def _begin(config: Config, world: World) -> tuple[Parts, Begin | None]:
    """The parts of the run, and for training the state that it begins with, the same in all processes."""
    parts = build_parts(config, world)
    return parts, start(parts) if config.phase == "train" else None


def _check_same(world: World, progress: Progress) -> None:
    """Whether all processes are at the same step.

    Raises:
        StoppedTogether: they are not.
    """
    steps = gather(world, progress.step)
    if len(set(steps)) > 1:
        raise StoppedTogether(
            f"the processes begin at different steps, {steps}: the work dir must lie on a disk that all machines share"
        )


def _claim(parts: Parts, origin: Mapping[str, str], begin: Begin | None) -> None:
    """Make the work dir this run's and note there what the run is; the first process, for all."""
    if parts.world.main:
        parts.work_dir.claim(parts.config)
        if parts.config.checkpoint == str(previous_of(parts.work_dir.last)):
            put_damaged_aside(parts.work_dir.last)
        parts.work_dir.describe(
            parts.config,
            origin,
            begin[2].step if begin else 0,
            device=str(parts.device),
            precision=parts.precision.name,
            processes=parts.world.size,
        )


def _train_or_test(parts: Parts, begin: Begin | None) -> Evaluation:
    config, main = parts.config, parts.world.main
    j = Journal(parts.work_dir, to_file=config.print_log, main=main, begin=begin[2] if begin else None)
    for note in parts.notes:
        j.say(note)
    if begin is None:
        return test(parts, j)
    optimizer, model, progress = begin
    if done(config, progress):
        return _test_best(parts, j)
    hand_out_state(parts.world, model)
    _settle_forward_batch(parts, model, progress, j)
    with listening() as stop:
        evaluation = fit(Run(parts, optimizer, model, progress, j, stop))
    if config.test_best:
        _test_best(parts, j)
    return evaluation


def _best_is_due(parts: Parts) -> bool:
    """Whether the best weights are to be tested and have not been, to the last file."""
    return parts.config.test_best and not (parts.work_dir.path / BEST / LAST_OF_TEST).is_file()


def _settle_forward_batch(parts: Parts, model: torch.nn.Module, progress: Progress, journal: Journal) -> None:
    """How many clips go through the network at once: as configured, or as many as fit; the same to the last step."""
    config = parts.config
    if isinstance(config.forward_batch_size, int):
        progress.forward_batch_size = config.forward_batch_size
    elif not progress.forward_batch_size:
        progress.forward_batch_size = fitting_forward_batch(
            model,
            tuple(parts.feeders["train"][0][0].shape),
            config.batch_size,
            precision=parts.precision,
            device=parts.device,
            world=parts.world,
            say=journal.say,
        )


def test(parts: Parts, journal: Journal) -> Evaluation:
    """Score the test part: accuracies to the screen; scores, labels, right and wrong samples to the work dir."""
    folder, config = parts.work_dir.path, parts.config
    model = parts.precision.prepare(parts.model, None)
    evaluation = evaluate_parts(parts, model, journal)
    say_accuracy(evaluation, config, journal)
    for metric in config.eval:
        journal.say(f"  {metric}: {_figures_of(evaluation, metric)}")
    if not parts.world.main:
        return evaluation
    if config.out is not None:
        write_result(config.out, probabilities(evaluation.logits))
        journal.say(f"results in pyskl's form: {config.out}")
    if config.save_score is not False:
        path = save_scores(folder, 1, evaluation.names, evaluation.labels, evaluation.logits)
        journal.say(f"scores: {path}")
    for name, right in (("wrong-samples.txt", False), (LAST_OF_TEST, True)):
        write_text(folder / name, _samples(evaluation, right))
    return evaluation


def _test_best(parts: Parts, journal: Journal) -> Evaluation:
    """Test the best weights of the run that has ended, into a folder of their own."""
    best = parts.work_dir.best
    anew: dict[str, Any] = {"checkpoint": None, "resume": None, "ignore_weights": [], "start_epoch": 0, "out": None}
    folder = str(parts.work_dir.path / BEST)
    config = replace(parts.config, phase="test", weights=str(best), work_dir=folder, **anew)
    journal.say(f"the best weights on the test part, {best}:")
    again = agreed(parts.world, lambda: build_parts(config, parts.world))
    if parts.world.main:
        again.work_dir.claim(config)
    return test(again, journal)


def be_deterministic() -> None:
    """Make torch compute the same bits in every run, on a GPU too."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA begins
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def _figures_of(evaluation: Evaluation, metric: str) -> str:
    """The figures that pyskl gives under this name."""
    if metric == "top_k_accuracy":
        return f"top1_acc {evaluation.accuracy(1):.4f}, top5_acc {evaluation.accuracy(5):.4f}"
    predicted, num_class = evaluation.logits.argmax(axis=1), evaluation.logits.shape[1]
    return f"{mean_class_accuracy(confusion_matrix(predicted, evaluation.labels, num_class)):.4f}"


def _samples(evaluation: Evaluation, right: bool) -> str:
    """Lines ``index,predicted,true`` of the samples that were classified right, or wrong."""
    predicted = evaluation.logits.argmax(axis=1)
    rows = zip(predicted.tolist(), evaluation.labels.tolist(), strict=True)
    return "".join(f"{i},{guess},{truth}\n" for i, (guess, truth) in enumerate(rows) if (guess == truth) is right)
