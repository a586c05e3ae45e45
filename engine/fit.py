"""Training, epoch after epoch, to the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from engine.checkpoint import Progress, save_checkpoint
from engine.config import Config
from engine.data import NO_CLIP, Batch, training_batches
from engine.distributed import gather, hand_out_state
from engine.evaluate import Evaluation
from engine.journal import Journal
from engine.nonfinite import first_not_finite
from engine.optim import learning_rate, set_learning_rate
from engine.parts import Parts, evaluate_parts
from engine.scoring.scores import save_best_scores, save_scores
from engine.stopping import Stop, Stopped
from engine.tensor_files import write_tensors
from engine.train import Step, seed_step, train_one_epoch
from engine.workdir import write_result
from errors import InputError


@dataclass(frozen=True)
class Run:
    """A training run on its way: what it is made of, how far it is, and whom it tells."""

    parts: Parts
    optimizer: torch.optim.Optimizer
    model: nn.Module
    progress: Progress
    journal: Journal
    stop: Stop

    def save(self, *, best: bool = False) -> None:
        """Write the checkpoint: the first process, for all."""
        if self.parts.world.main:
            parts = self.parts
            path = parts.work_dir.best if best else parts.work_dir.last
            save_checkpoint(path, parts.config, self.progress, self.model, self.optimizer, parts.precision, parts.facts)

    def stopped(self, *, saved: bool = True) -> Stopped:
        """What to say when the run has stopped because it was told to; ``saved`` is whether all of it is saved."""
        last = self.parts.work_dir.last
        holds = f"{last} holds " + ("everything" if saved else "what was saved before")
        return Stopped(
            f"stopped after step {self.progress.step} ({self.progress.epoch} epochs are done); "
            f"go on with --resume auto: {holds if last.is_file() else 'nothing was saved yet'}"
        )


def fit(run: Run) -> Evaluation:
    """Train to ``num_epoch``, evaluating and saving on the way; the evaluation after the last epoch.

    Raises:
        InputError: too many losses in a row are no numbers; what was saved before stays.
        Stopped: the run was told to stop, and has saved where it is.
    """
    try:
        return _fit(run)
    except InputError:
        if run.stop.asked and run.parts.world.size > 1:  # so was another process, and that is why it is gone
            raise run.stopped(saved=False) from None
        raise


def _fit(run: Run) -> Evaluation:
    parts, progress = run.parts, run.progress
    config = parts.config
    while True:
        if not progress.to_evaluate:
            _train(run)
        last = progress.epoch == config.num_epoch
        evaluation = None
        if last or _due(config, progress.epoch):
            if not progress.bad_steps:  # or the network may be beyond help
                run.save()  # evaluation takes a while
            evaluation = _evaluate(run)
        progress.to_evaluate = False
        best = evaluation is not None and _note_best(evaluation, progress)
        if parts.world.main and (last or progress.epoch % config.save_interval == 0):
            weights = {name: value.cpu() for name, value in run.model.state_dict().items()}
            write_tensors(parts.work_dir.weights(progress.epoch, progress.step), weights)
            parts.work_dir.thin_out(config.keep, progress.best_epoch)
        if best and evaluation is not None:
            if parts.world.main:
                save_best_scores(parts.work_dir.path, evaluation.names, evaluation.labels, evaluation.logits)
            run.save(best=True)
        if last and evaluation is not None:
            _finish(run, evaluation)
        run.save()  # when all else is written: a stop in between repeats it
        if last and evaluation is not None:
            return evaluation


def _train(run: Run) -> None:
    """One epoch, or what is left of it."""
    parts, progress, journal = run.parts, run.progress, run.journal
    config, epoch, began = parts.config, progress.epoch, time.monotonic()
    batches = training_batches(
        parts.feeders["train"],
        config.batch_size,
        seed=config.seed,
        epoch=epoch,
        num_worker=config.num_worker,
        pin=parts.device.type == "cuda",
        done=progress.step_in_epoch,
        forward_batch_size=progress.forward_batch_size,
        world=parts.world,
    )
    first, steps = progress.step_in_epoch, progress.step_in_epoch + len(batches)

    def before_step(number: int) -> None:
        set_learning_rate(run.optimizer, learning_rate(config, epoch, first + number, steps))
        seed_step(config.seed, progress.step, parts.world.rank)

    loss, accuracy = train_one_epoch(
        run.model,
        journal.progress(batches, f"epoch {epoch + 1}/{config.num_epoch}", first),
        run.optimizer,
        forward_batch_size=progress.forward_batch_size // parts.world.size,
        precision=parts.precision,
        device=parts.device,
        world=parts.world,
        label_smoothing=config.label_smoothing,
        totals=progress,
        before_step=before_step,
        stop_asked=lambda: run.stop.asked,
        after_step=_after_step(run, steps),
    )
    rate = run.optimizer.param_groups[0]["lr"]
    if progress.step % config.log_interval:  # or there is this point already
        _point(run)
    skipped = f", {progress.skipped} steps skipped so far" if progress.skipped else ""
    journal.say(
        f"epoch {epoch + 1}/{config.num_epoch}: training loss {loss:.4f}, top-1 {accuracy:.2%}, lr {rate:g}, "
        f"{time.monotonic() - began:.0f} s{skipped}"
    )
    progress.epoch, progress.step_in_epoch, progress.to_evaluate = epoch + 1, 0, True
    progress.loss, progress.correct, progress.clips = 0.0, 0, 0


def _after_step(run: Run, steps: int) -> Callable[[Step, Batch], None]:
    """What follows every step: counting, curves, saving, and stopping where that was asked for or must be."""
    config, progress = run.parts.config, run.progress
    named: set[int] = set()

    def after_step(step: Step, batch: Batch) -> None:
        progress.step += 1
        progress.step_in_epoch += 1
        progress.bad_steps = 0 if step.done else progress.bad_steps + 1
        _name_no_clips(run, batch, named)
        if not step.done:
            why = "loss or gradients are not finite" if (batch[1] != NO_CLIP).any() else "no clip of it holds numbers"
            run.journal.say(f"step {progress.step}: {why}; the step is skipped")
        if progress.step % config.log_interval == 0:
            _point(run)
        loss, accuracy = progress.means()
        wait = f"{run.journal.data_wait():.0%}"
        rate = f"{run.optimizer.param_groups[0]['lr']:.2g}"
        run.journal.show(loss=f"{loss:.3f}", top1=f"{accuracy:.1%}", lr=rate, wait=wait)
        if progress.bad_steps >= config.max_bad_steps:
            raise _too_many(run, batch)
        stops = step.stop and progress.step_in_epoch < steps  # at the end of an epoch it is saved anyway
        if stops or (config.save_every_steps and progress.step % config.save_every_steps == 0):
            run.save()
        if stops:
            raise run.stopped()

    return after_step


def _name_no_clips(run: Run, batch: Batch, named: set[int]) -> None:
    """Say which clips of a batch hold values that are no numbers, each once in an epoch."""
    _, labels, indices = batch
    odd = indices[labels == NO_CLIP].tolist()
    for index in odd:
        if index not in named:
            named.add(index)
            name = run.parts.feeders["train"].sample_name[index]
            run.journal.say(f"clip {name!r} holds values that are no numbers and is left out of training")


def _too_many(run: Run, batch: Batch) -> InputError:
    config = run.parts.config
    what = first_not_finite(run.model, batch, run.parts.precision, run.parts.device)
    last = run.parts.work_dir.last
    kept = f"{last} is as it was" if last.is_file() else "nothing had been saved yet"
    return InputError(
        f"the loss or the gradients of {config.max_bad_steps} steps in a row, up to step {run.progress.step}, are not "
        f"finite: {what}; a lower --base-lr may help; {kept}"
    )


def _point(run: Run) -> None:
    """A point of the training curves: means of the epoch so far."""
    rate, progress = run.optimizer.param_groups[0]["lr"], run.progress
    loss, accuracy = progress.means()
    run.journal.train_point(
        progress.step, loss=loss, accuracy=accuracy, rate=rate, epoch=progress.epoch, skipped=progress.skipped
    )


def _due(config: Config, epoch: int) -> bool:
    """Whether to evaluate after ``epoch`` epochs."""
    return epoch >= config.eval_start and epoch % config.eval_interval == 0


def _evaluate(run: Run) -> Evaluation:
    """Evaluate, say the result, draw it and save the scores where they are wanted."""
    config, progress = run.parts.config, run.progress

    def stop() -> None:
        if run.stop.asked:
            raise run.stopped(saved=not progress.bad_steps)

    hand_out_state(run.parts.world, run.model)  # the statistics of the last step too, which are the first process's
    evaluation = evaluate_parts(run.parts, run.model, run.journal, stop)
    say_accuracy(evaluation, config, run.journal)
    run.journal.test_point(progress.step, epoch=progress.epoch, loss=evaluation.loss, accuracy=evaluation.accuracy())
    wanted = config.save_score or (config.save_score is None and progress.epoch == config.num_epoch)
    if wanted and run.parts.world.main:
        save_scores(run.parts.work_dir.path, progress.epoch, evaluation.names, evaluation.labels, evaluation.logits)
    return evaluation


def _note_best(evaluation: Evaluation, progress: Progress) -> bool:
    """Whether no evaluation was better, of equals the last counts; if so, ``progress`` remembers it."""
    if progress.best_epoch and evaluation.accuracy() < progress.best_accuracy:
        return False
    progress.best_epoch, progress.best_accuracy = progress.epoch, evaluation.accuracy()
    return True


def _finish(run: Run, evaluation: Evaluation) -> None:
    """Say how training ended and where everything is; the same in ``result.json``."""
    path, progress, config = run.parts.work_dir.path, run.progress, run.parts.config
    skipped = f"; {progress.skipped} steps were skipped" if progress.skipped else ""
    run.journal.say(
        f"last epoch: top-1 {evaluation.accuracy():.2%} "
        f"(best on the test part: {progress.best_accuracy:.2%} after epoch {progress.best_epoch}){skipped}"
    )
    top_k = {f"top{k}": evaluation.accuracy(k) for k in dict.fromkeys((1, *config.show_topk))}
    best = {"epoch": progress.best_epoch, "top1": progress.best_accuracy}
    result = {
        "last": {"epoch": progress.epoch, "loss": evaluation.loss, **top_k},
        "best_on_test_part": best,
        "skipped_steps": progress.skipped,
    }
    if run.parts.world.main:
        write_result(path / "result.json", result)
    gather(run.parts.world, None)  # nobody leaves before all is written
    run.journal.say(f"trained: weights, checkpoints, curves and scores are in {path}")


def say_accuracy(evaluation: Evaluation, config: Config, journal: Journal) -> None:
    """One line: loss and the top-k accuracies asked for."""
    accuracies = ", ".join(f"top-{k} {evaluation.accuracy(k):.2%}" for k in config.show_topk)
    journal.say(f"  test: loss {evaluation.loss:.4f}, {accuracies} ({len(evaluation.labels)} clips)")
