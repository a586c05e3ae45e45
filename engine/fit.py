"""Training from the first epoch, or the one after the last saved, to the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from engine.checkpoint import Progress, load_optimizer, restore, save_checkpoint
from engine.config import Config
from engine.data import training_batches
from engine.evaluate import Evaluation
from engine.journal import Journal
from engine.optim import build_optimizer, learning_rate, set_learning_rate
from engine.parts import Parts, evaluate_parts
from engine.scores import save_scores
from engine.tensor_files import read_tensors, write_tensors
from engine.train import Totals, train_one_epoch
from engine.workdir import write_result
from errors import InputError


def start(parts: Parts) -> tuple[torch.optim.Optimizer, nn.Module, Progress]:
    """Optimizer, network and progress as they are before the next epoch.

    Raises:
        InputError: the checkpoint does not fit, or there is nothing left to train.
    """
    config, checkpoint = parts.config, parts.checkpoint
    optimizer = build_optimizer(parts.model.parameters(), config)
    model = parts.precision.prepare(parts.model, optimizer)
    progress = Progress(epoch=config.start_epoch)
    if checkpoint is not None and "model" in checkpoint:
        progress = restore(checkpoint, str(config.checkpoint), optimizer, parts.precision)
        if config.start_epoch not in (0, progress.epoch):
            raise InputError(
                f"start_epoch is {config.start_epoch}, but {config.checkpoint} was saved after epoch {progress.epoch}"
            )
    elif checkpoint is not None:  # MS-G3D's
        load_optimizer(optimizer, checkpoint["optimizer_states"], str(config.checkpoint))
        done = checkpoint.get("lr_scheduler_states", {}).get("last_epoch", 0)
        progress = Progress(epoch=config.start_epoch or int(done))
    elif config.optimizer_states:
        content = read_tensors(config.optimizer_states)
        load_optimizer(optimizer, _optimizer_part(content), config.optimizer_states)
    if progress.epoch >= config.num_epoch:
        raise InputError(f"nothing to train: {progress.epoch} epochs are done and num_epoch is {config.num_epoch}")
    if progress.step == 0:
        progress.step = progress.epoch * (len(parts.feeders["train"]) // config.batch_size)
    return optimizer, model, progress


def fit(parts: Parts, optimizer: torch.optim.Optimizer, model: nn.Module, progress: Progress, journal: Journal) -> None:
    """Train to ``num_epoch``, evaluating and saving on the way; the end is said and written to ``result.json``."""
    config, work_dir = parts.config, parts.work_dir
    began = time.monotonic()
    while progress.epoch < config.num_epoch:
        epoch = progress.epoch
        rate = learning_rate(config, epoch)
        set_learning_rate(optimizer, rate)
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
            after_step=_curves(journal, progress, config.log_interval, rate),
        )
        progress.epoch += 1
        if progress.step % config.log_interval:  # or there is this point already
            journal.train_point(progress.step, loss=loss, accuracy=accuracy, rate=rate, epoch=epoch)
        journal.say(
            f"epoch {progress.epoch}/{config.num_epoch}: training loss {loss:.4f}, top-1 {accuracy:.2%}, lr {rate:g}, "
            f"{time.monotonic() - began:.0f} s"
        )
        last = progress.epoch == config.num_epoch
        better = _evaluate(parts, model, progress, journal) if _due(config, progress.epoch) else False
        if last or progress.epoch % config.save_interval == 0:
            weights = {name: value.cpu() for name, value in model.state_dict().items()}
            write_tensors(work_dir.weights(progress.epoch, progress.step), weights)
        for path in (work_dir.best, work_dir.last) if better else (work_dir.last,):  # a stop in between loses nothing
            save_checkpoint(path, config, progress, model, optimizer, parts.precision)
    journal.say(f"trained: weights, checkpoints, curves and scores are in {work_dir.path}")


def _optimizer_part(content: Any) -> dict[str, Any]:
    """The optimizer's state in a file that holds it alone, or in a checkpoint."""
    for key in ("optimizer_states", "optimizer"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            return dict(content[key])
    return dict(content) if isinstance(content, dict) else {}


def _due(config: Config, epoch: int) -> bool:
    """Whether to evaluate after ``epoch`` epochs; always after the last."""
    regular = epoch >= config.eval_start and epoch % config.eval_interval == 0
    return regular or epoch == config.num_epoch


def _evaluate(parts: Parts, model: nn.Module, progress: Progress, journal: Journal) -> bool:
    """Evaluate, say and note the result; whether it is the best so far."""
    config, work_dir = parts.config, parts.work_dir
    evaluation = evaluate_parts(parts, model, journal)
    last = progress.epoch == config.num_epoch
    journal.test_point(progress.step, loss=evaluation.loss, accuracy=evaluation.accuracy())
    better = progress.best_epoch == 0 or evaluation.accuracy() > progress.best_accuracy
    if better:
        progress.best_epoch, progress.best_accuracy = progress.epoch, evaluation.accuracy()
    say_accuracy(evaluation, config, journal)
    if config.save_score or (last and config.save_score is None):
        save_scores(work_dir.path, progress.epoch, evaluation.names, evaluation.labels, evaluation.logits)
    if last:
        journal.say(
            f"last epoch: top-1 {evaluation.accuracy():.2%} "
            f"(best on the test part: {progress.best_accuracy:.2%} after epoch {progress.best_epoch})"
        )
        top_k = {f"top{k}": evaluation.accuracy(k) for k in config.show_topk}
        best = {"epoch": progress.best_epoch, "top1": progress.best_accuracy}
        result = {"last": {"epoch": progress.epoch, "loss": evaluation.loss, **top_k}, "best_on_test_part": best}
        write_result(work_dir.path / "result.json", result)
    return better


def say_accuracy(evaluation: Evaluation, config: Config, journal: Journal) -> None:
    """One line: loss and the top-k accuracies asked for."""
    accuracies = ", ".join(f"top-{k} {evaluation.accuracy(k):.2%}" for k in config.show_topk)
    journal.say(f"  test: loss {evaluation.loss:.4f}, {accuracies} ({len(evaluation.labels)} clips)")


def _curves(journal: Journal, progress: Progress, interval: int, rate: float) -> Callable[[Totals], None]:
    """Counts the steps, and draws a point of the training curves (means of the epoch so far) at every interval."""

    def after_step(totals: Totals) -> None:
        progress.step += 1
        if progress.step % interval == 0:
            loss, accuracy = totals.means()
            journal.train_point(progress.step, loss=loss, accuracy=accuracy, rate=rate, epoch=progress.epoch)

    return after_step
