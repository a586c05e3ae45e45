"""Training, epoch after epoch, to the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import nn

from engine.checkpoint import Progress, save_checkpoint
from engine.config import Config
from engine.data import training_batches
from engine.evaluate import Evaluation
from engine.journal import Journal
from engine.optim import learning_rate, set_learning_rate
from engine.parts import Parts, evaluate_parts
from engine.scores import save_scores
from engine.tensor_files import write_tensors
from engine.train import Totals, train_one_epoch
from engine.workdir import write_result
from errors import InputError


def fit(
    parts: Parts, optimizer: torch.optim.Optimizer, model: nn.Module, progress: Progress, journal: Journal
) -> Evaluation:
    """Train to ``num_epoch``, evaluating and saving on the way; the evaluation after the last epoch.

    Raises:
        InputError: the loss is no number any more; what was saved before stays.
    """
    config, work_dir = parts.config, parts.work_dir
    began = time.monotonic()
    while True:
        loss, accuracy, rate = _train(parts, optimizer, model, progress, journal)
        journal.say(
            f"epoch {progress.epoch}/{config.num_epoch}: training loss {loss:.4f}, top-1 {accuracy:.2%}, lr {rate:g}, "
            f"{time.monotonic() - began:.0f} s"
        )
        last = progress.epoch == config.num_epoch
        evaluation = _evaluate(parts, model, progress, journal) if last or _due(config, progress.epoch) else None
        best = evaluation is not None and _note_best(evaluation, progress)
        if last or progress.epoch % config.save_interval == 0:
            weights = {name: value.cpu() for name, value in model.state_dict().items()}
            write_tensors(work_dir.weights(progress.epoch, progress.step), weights)
        for path in (work_dir.best, work_dir.last) if best else (work_dir.last,):  # a stop in between loses nothing
            save_checkpoint(path, config, progress, model, optimizer, parts.precision)
        if last and evaluation is not None:
            _finish(parts, evaluation, progress, journal)
            return evaluation


def _train(
    parts: Parts, optimizer: torch.optim.Optimizer, model: nn.Module, progress: Progress, journal: Journal
) -> tuple[float, float, float]:
    """One epoch: its mean loss and accuracy, and its last learning rate."""
    config, epoch = parts.config, progress.epoch
    batches = training_batches(
        parts.feeders["train"],
        config.batch_size,
        seed=config.seed,
        epoch=epoch,
        num_worker=config.num_worker,
        pin=parts.device.type == "cuda",
    )
    loss, accuracy = train_one_epoch(
        model,
        journal.progress(batches, f"epoch {epoch + 1}/{config.num_epoch}"),
        optimizer,
        forward_batch_size=config.forward_batch_size,
        precision=parts.precision,
        device=parts.device,
        label_smoothing=config.label_smoothing,
        before_step=lambda step: set_learning_rate(optimizer, learning_rate(config, epoch, step, len(batches))),
        after_step=_curves(journal, progress, config.log_interval, optimizer),
    )
    if not math.isfinite(loss):
        raise InputError(
            f"the loss of epoch {epoch + 1} is {loss}: a lower --base-lr may help; nothing of it was saved"
        )
    progress.epoch += 1
    rate = optimizer.param_groups[0]["lr"]
    if progress.step % config.log_interval:  # or there is this point already
        journal.train_point(progress.step, loss=loss, accuracy=accuracy, rate=rate, epoch=epoch)
    return loss, accuracy, rate


def _due(config: Config, epoch: int) -> bool:
    """Whether to evaluate after ``epoch`` epochs."""
    return epoch >= config.eval_start and epoch % config.eval_interval == 0


def _evaluate(parts: Parts, model: nn.Module, progress: Progress, journal: Journal) -> Evaluation:
    """Evaluate, say the result, draw it and save the scores where they are wanted."""
    config = parts.config
    evaluation = evaluate_parts(parts, model, journal)
    say_accuracy(evaluation, config, journal)
    journal.test_point(progress.step, loss=evaluation.loss, accuracy=evaluation.accuracy())
    if config.save_score or (config.save_score is None and progress.epoch == config.num_epoch):
        save_scores(parts.work_dir.path, progress.epoch, evaluation.names, evaluation.labels, evaluation.logits)
    return evaluation


def _note_best(evaluation: Evaluation, progress: Progress) -> bool:
    """Whether this evaluation is the best so far; if so, ``progress`` remembers it."""
    if progress.best_epoch and evaluation.accuracy() <= progress.best_accuracy:
        return False
    progress.best_epoch, progress.best_accuracy = progress.epoch, evaluation.accuracy()
    return True


def _finish(parts: Parts, evaluation: Evaluation, progress: Progress, journal: Journal) -> None:
    """Say how training ended and where everything is; the same in ``result.json``."""
    path = parts.work_dir.path
    journal.say(
        f"last epoch: top-1 {evaluation.accuracy():.2%} "
        f"(best on the test part: {progress.best_accuracy:.2%} after epoch {progress.best_epoch})"
    )
    top_k = {f"top{k}": evaluation.accuracy(k) for k in parts.config.show_topk}
    best = {"epoch": progress.best_epoch, "top1": progress.best_accuracy}
    result = {"last": {"epoch": progress.epoch, "loss": evaluation.loss, **top_k}, "best_on_test_part": best}
    write_result(path / "result.json", result)
    journal.say(f"trained: weights, checkpoints, curves and scores are in {path}")


def say_accuracy(evaluation: Evaluation, config: Config, journal: Journal) -> None:
    """One line: loss and the top-k accuracies asked for."""
    accuracies = ", ".join(f"top-{k} {evaluation.accuracy(k):.2%}" for k in config.show_topk)
    journal.say(f"  test: loss {evaluation.loss:.4f}, {accuracies} ({len(evaluation.labels)} clips)")


def _curves(
    journal: Journal, progress: Progress, interval: int, optimizer: torch.optim.Optimizer
) -> Callable[[Totals], None]:
    """Counts the steps, and draws a point of the training curves (means of the epoch so far) at every interval."""

    def after_step(totals: Totals) -> None:
        progress.step += 1
        if progress.step % interval == 0:
            loss, accuracy = totals.means()
            rate = optimizer.param_groups[0]["lr"]
            journal.train_point(progress.step, loss=loss, accuracy=accuracy, rate=rate, epoch=progress.epoch)

    return after_step
