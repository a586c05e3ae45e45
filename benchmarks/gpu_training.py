"""Training on a GPU in every number format: ``python3 -m benchmarks.gpu_training`` prints what goes into results.md.

The four networks, as configured for NTU RGB+D 60 cross-subject, learn made clips of that shape in float32, float16 and
bfloat16, from one start and in one order. Printed are the losses of each, whether those of the halves are float32's but
for the noise of batches, clips per second, and the most memory.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from command_line import Parser, exit_code, whole_number
from data_gen.prepare import ROOT
from engine.build import build_model
from engine.config import Config
from engine.data import Batch
from engine.flags import parse
from engine.optim import build_optimizer, train_mode
from engine.precision import Autocast, Precision
from engine.state import RunningState
from engine.train import seed_step, train_step
from errors import InputError

CLIPS, CLASSES, JOINTS, BODIES = 16, 60, 25, 2  # of a batch; of NTU RGB+D
STRETCHES = 8  # of the steps, over which losses are averaged
WARM_UP = 10  # steps that are not timed
# Configuration, frames of a clip in it, and narrow arguments for a trial.
NETWORKS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "MS-G3D": ("train_joint", 300, {"widths": [6, 12, 12], "num_gcn_scales": 2, "num_g3d_scales": 2}),
    "MST-GCN": ("mstgcn", 300, {"widths": [8, 8, 16], "s_scale": 2, "t_scale": 2}),
    "DG-STGCN": ("dgstgcn", 100, {"widths": [12, 12, 24], "num_filter": 3}),
    "MSA-GCN": ("msagcn", 64, {"widths": [40, 40, 40], "k": 2}),
}
FORMATS = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Trained:
    """What a training gave: losses (steps,), of which ``skipped`` came to nothing; speed; MB, 0 where nobody counts."""

    losses: np.ndarray
    skipped: int
    clips_per_second: float
    megabytes: float


def run(argv: Sequence[str] | None = None) -> int:
    """Train everything and print Markdown; the exit code is 1 when a format learnt otherwise than float32.

    Raises:
        InputError: there is no GPU, and a CPU was not asked for.
    """
    parser = Parser("benchmarks.gpu_training", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_flag("--device", default="cuda", metavar="NAME", help="cuda, cuda:1 or cpu (default: cuda)")
    parser.add_flag("--steps", type=whole_number(1), default=200, metavar="N", help="of each training (default: 200)")
    parser.add_flag("--minutes", type=whole_number(1), default=10, metavar="N", help="for all together (default: 10)")
    parser.add_flag("--frames", type=whole_number(8), metavar="N", help="at most so many a clip")
    parser.add_flag(
        "--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME", help="only these"
    )
    parser.add_flag("--narrow", action="store_true", help="networks as narrow as they go, for a trial")
    given = parser.parse_strictly(argv)
    device = torch.device(given.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError("there is no GPU; --device cpu --steps 2 --narrow tries the command out")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "a CPU"
    print(f"{CLIPS} clips a step on {name}, torch {torch.__version__}, at most {given.steps} steps of each.\n")
    print("| network | format | steps | losses | last quarter | float32's | clips/s | memory |")
    print("|---|---|---|---|---|---|---|---|")
    seconds = given.minutes * 60 / (len(given.networks) * len(FORMATS))
    alike = True
    for network in given.networks:
        config, frames = configured(network, given.narrow, given.frames)
        plain: Trained | None = None
        for format_name in FORMATS:
            trained = train(config, frames, precision_of(format_name, device), device, given.steps, seconds)
            plain = plain or trained
            same, words = compared(trained, plain)
            alike &= same
            print(row(f"{network}, {frames} frames", format_name, trained, words), flush=True)
    return 0 if alike else 1


def configured(network: str, narrow: bool, frames: int | None) -> tuple[Config, int]:
    """The configuration of a network for batches of 16 clips, and how many frames they have."""
    file, length, narrower = NETWORKS[network]
    length = min(length, frames or length)
    config, _ = parse(["--config", str(ROOT / "config" / "nturgbd-cross-subject" / f"{file}.yaml")])
    arguments = {**config.model_args, **(narrower if narrow else {})}
    if network == "MSA-GCN":
        arguments["window_size"] = length
    rate = config.base_lr * CLIPS / config.batch_size
    return replace(config, model_args=arguments, batch_size=CLIPS, base_lr=rate), length


def precision_of(name: str, device: torch.device) -> Precision:
    """The number format that ``--half`` gives with PyTorch's own means."""
    return Precision() if name == "float32" else Autocast(device, getattr(torch, name))


def train(
    config: Config, frames: int, precision: Precision, device: torch.device, steps: int, seconds: float
) -> Trained:
    """Train from a seed for ``steps`` steps, or until ``seconds`` are over."""
    torch.manual_seed(config.seed)
    model: nn.Module = build_model(config).to(device)
    optimizer = build_optimizer(model.parameters(), config)
    model = precision.prepare(model, optimizer)
    train_mode(model)
    running, losses, skipped = RunningState(model), [], 0
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    began = timed_from = time.monotonic()
    timed = 0
    for step, batch in enumerate(made_batches(frames, steps)):
        seed_step(config.seed, step, 0)
        done = train_step(
            model,
            batch,
            optimizer,
            forward_batch_size=CLIPS,
            precision=precision,
            device=device,
            running=running,
            label_smoothing=config.label_smoothing,
        )  # reads the loss, and so waits for the GPU
        losses.append(done.loss / CLIPS)
        skipped += not done.done
        now = time.monotonic()
        if step + 1 == min(WARM_UP, steps - 1):
            timed_from, timed = now, 0
        else:
            timed += 1
        if now - began > seconds:
            break
    memory = torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else 0.0
    speed = timed * CLIPS / max(now - timed_from, 1e-9)
    return Trained(np.array(losses), skipped, speed, memory)


def made_batches(frames: int, steps: int) -> Iterator[Batch]:
    """Clips (N, 3, T, 25, 2) of walks that start, and wave, as their class does; the same for every network."""
    rng = np.random.default_rng(0)
    poses = rng.normal(0, 0.4, (CLASSES, 3, 1, JOINTS, 1))
    waves = rng.normal(0, 0.3, (CLASSES, 3, 1, JOINTS, 1))
    pace = rng.uniform(0.05, 0.4, CLASSES)[:, None] * np.arange(frames)  # (classes, T)
    for step in range(steps):
        draw = np.random.default_rng((1, step))
        labels = draw.integers(0, CLASSES, CLIPS)
        walk = np.cumsum(draw.normal(0, 0.02, (CLIPS, 3, frames, 1, BODIES)), axis=2)
        wave = waves[labels] * np.sin(pace[labels])[:, None, :, None, None]
        clips = (poses[labels] + wave + walk + draw.normal(0, 0.1, walk.shape)).astype(np.float32)
        yield torch.from_numpy(clips), torch.from_numpy(labels), torch.arange(CLIPS)


def compared(trained: Trained, plain: Trained) -> tuple[bool, str]:
    """Whether the mean loss of the last quarter is float32's but for its scatter from batch to batch; in words."""
    steps = min(len(trained.losses), len(plain.losses))
    last = slice(steps - max(1, steps // 4), steps)
    mean, wanted, scatter = trained.losses[last].mean(), plain.losses[last].mean(), plain.losses[last].std()
    if trained is plain:
        return bool(np.isfinite(mean)), f"± {scatter:.3f}"
    same = bool(abs(mean - wanted) <= max(scatter, 0.05 * abs(wanted)))
    return same, f"{mean - wanted:+.3f}, {'within' if same else '**beyond**'} noise"


def row(network: str, format_name: str, trained: Trained, words: str) -> str:
    """A line of the table."""
    losses = " ".join(f"{part.mean():.2f}" for part in np.array_split(trained.losses, STRETCHES) if len(part))
    last = trained.losses[-max(1, len(trained.losses) // 4) :].mean()
    steps = f"{len(trained.losses)}" + (f", {trained.skipped} skipped" if trained.skipped else "")
    memory = f"{trained.megabytes / 1000:.1f} GB" if trained.megabytes else "-"
    return (
        f"| {network} | {format_name} | {steps} | {losses} | {last:.3f} | {words} "
        f"| {trained.clips_per_second:.1f} | {memory} |"
    )


if __name__ == "__main__":
    sys.exit(exit_code(run))
