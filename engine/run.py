"""A run from its configuration to its result."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from clips.files import write_text
from engine.config import Config
from engine.evaluate import Evaluation
from engine.fit import fit, say_accuracy
from engine.journal import Journal
from engine.parts import Parts, build_parts, evaluate_parts
from engine.resume import start
from engine.scores import save_scores


def run(config: Config, origin: Mapping[str, str]) -> Evaluation:
    """Train or test what ``config`` describes, and the last evaluation; ``origin`` says where each setting came from.

    Raises:
        InputError: something the user gave does not work. Nothing has been written by then.
    """
    parts = build_parts(config)
    training = config.phase == "train"
    begin = start(parts) if training else None
    parts.work_dir.claim(config)
    parts.work_dir.describe(config, origin, begin[2].epoch if begin else 0)
    with closing(Journal(parts.work_dir, to_file=config.print_log, curves=training)) as journal:
        for note in parts.notes:
            journal.say(note)
        return fit(parts, *begin, journal) if begin else test(parts, journal)


def test(parts: Parts, journal: Journal) -> Evaluation:
    """Score the test part: accuracies to the screen; scores, labels, right and wrong samples to the work dir."""
    folder = parts.work_dir.path
    model = parts.precision.prepare(parts.model, None)
    evaluation = evaluate_parts(parts, model, journal)
    say_accuracy(evaluation, parts.config, journal)
    if parts.config.save_score is not False:
        path = save_scores(folder, 1, evaluation.names, evaluation.labels, evaluation.logits)
        journal.say(f"scores: {path}")
    for name, right in (("wrong-samples.txt", False), ("right-samples.txt", True)):
        write_text(folder / name, _samples(evaluation, right))
    return evaluation


def _samples(evaluation: Evaluation, right: bool) -> str:
    """Lines ``index,predicted,true`` of the samples that were classified right, or wrong."""
    predicted = evaluation.logits.argmax(axis=1)
    rows = zip(predicted.tolist(), evaluation.labels.tolist(), strict=True)
    return "".join(f"{i},{guess},{truth}\n" for i, (guess, truth) in enumerate(rows) if (guess == truth) is right)
