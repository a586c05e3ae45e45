"""Golden numbers of the published networks: fill a model by the names of its tensors, run it, compare every figure.

A fixture is ``tests/golden/<stem>.json`` (tensor names, shapes, fill rules, input, optimizer) with ``<stem>.npz``
(the published implementation's logits, gradients, statistics and losses for exactly that fill and input).
No weight file is needed: every tensor's values come from a generator seeded with the tensor's own name.
"""

from __future__ import annotations

import copy
import json
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
VALUES = 1e-9  # relative limit on float64 values; a faithful implementation agrees to about 1e-13
GRADIENTS = 1e-7  # relative limit on float64 gradients and on what SGD makes of them

Array = npt.NDArray[Any]
Forward = Callable[[nn.Module, Tensor], Tensor]
KeyMap = Callable[[str], str]


class Comparison(NamedTuple):
    """One figure, or one family of figures, of a fixture against the model's own."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Golden:
    """One model fixture: ``meta`` is its JSON, ``want`` its arrays."""

    meta: Mapping[str, Any]
    want: Mapping[str, Array]

    def fill(self) -> dict[str, Array]:
        """Fixture key -> float32 values (int64 for counters), without the constants (rule ``keep``)."""
        salt, gain = self.meta["fill"]["salt"], self.meta["fill"]["gain"]
        rows = self.meta["state_dict"]
        return {key: fill_tensor(salt + key, shape, rule, gain) for key, shape, _, _, rule in rows if rule != "keep"}

    def input(self) -> Array:
        """The fixture's batch, float32, in the layout that ``meta["input"]["layout"]`` names."""
        spec = self.meta["input"]
        return made_input(spec["name"], spec["layout"], score=spec["score"], **spec["args"])


def rng_for(name: str) -> np.random.Generator:
    """The generator that belongs to a name."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def fill_tensor(name: str, shape: Sequence[int], rule: str, gain: float) -> Array:
    """Values of one tensor by its fill rule; drawn in float64, rounded to float32 before any use."""
    if rule == "zero":
        return np.zeros(shape, dtype=np.int64)
    fan_in = int(np.prod(shape[1:]))
    ranges = {
        "var": (0.5, 1.5),
        "scale": (0.5, 1.5),
        "offset": (-0.02, 0.02),
        "graph": (0.0, 0.08),
        "coeff": (-0.5, 0.5),
    }
    spreads = {"mean": 0.1, "bias": 0.1, "kernel": gain / np.sqrt(fan_in)}
    rng = rng_for(name)
    drawn = rng.normal(0.0, spreads[rule], size=shape) if rule in spreads else rng.uniform(*ranges[rule], size=shape)
    return np.asarray(drawn).astype(np.float32)


def made_input(name: str, layout: str, *, n: int, c: int, t: int, v: int, m: int, score: bool) -> Array:
    """A batch of random poses on random walks: every third clip is shorter, odd clips have one person.

    Shapes: (n, c, t, v, m) for layout ``NCTVM``, (n, m, t, v, c) for ``NMTVC``; float32.
    """
    rng = rng_for(name)
    pose = rng.normal(0.0, 0.5, size=(n, m, 1, v, c))
    walk = np.cumsum(rng.normal(0.0, 0.04, size=(n, m, t, v, c)), axis=2)
    confidence = rng.uniform(0.2, 1.0, size=(n, m, t, v))
    x = pose + walk
    if score:
        x[..., c - 1] = confidence
    for i in range(n):
        x[i, :, t - (i % 3) * (t // 4) :] = 0.0
        if i % 2 == 1:
            x[i, 1:] = 0.0
    order = {"NMTVC": (0, 1, 2, 3, 4), "NCTVM": (0, 4, 2, 3, 1)}[layout]
    return np.ascontiguousarray(x.astype(np.float32).transpose(order))


def crc32(arrays: Iterable[Array]) -> int:
    """CRC-32 over the little-endian bytes of arrays, in order."""
    crc = 0
    for array in arrays:
        crc = zlib.crc32(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes(), crc)
    return crc


def compare(
    name: str, got: Any, want: Any, rtol: float, atol: float = 0.0, labels: Sequence[str] | None = None
) -> Comparison:
    """Element by element, ``|got - want| <= atol + rtol * |want|``; NaN must meet NaN. ``labels`` name the elements."""
    got, want = np.asarray(got, dtype=np.float64), np.asarray(want, dtype=np.float64)
    if got.shape != want.shape:
        return Comparison(name, False, f"shape {got.shape} instead of {want.shape}")
    gap = np.where(np.isnan(got) & np.isnan(want), 0.0, np.abs(got - want))
    excess = np.where(np.isnan(gap), np.inf, gap - (atol + rtol * np.nan_to_num(np.abs(want))))
    worst = int(excess.argmax())
    where = "" if labels is None else f" at {labels[worst]}"
    off = f"{int((excess > 0).sum())} of {gap.size} off; " if (excess > 0).any() else ""
    detail = f"{off}worst{where}: got {got.flat[worst]:.12g}, want {want.flat[worst]:.12g}, gap {gap.flat[worst]:.2e}"
    return Comparison(name, not off, f"{detail} (rtol {rtol:.0e}, atol {atol:.1e})")


def compare_structure(golden: Golden, model: nn.Module, own: KeyMap) -> list[Comparison]:
    """Keys, their order, shapes, dtypes, the number of parameters and the constants, before anything runs."""
    meta, state = golden.meta, model.state_dict()
    keys = [own(row[0]) for row in meta["state_dict"]]
    missing, extra = [k for k in keys if k not in state], sorted(set(state) - set(keys))
    detail = f"{len(missing)} missing {missing[:5]}, {len(extra)} extra {extra[:5]}"
    report = [Comparison("keys", not missing and not extra, detail)]

    first = next((f"{a!r} where {b!r} belongs" for a, b in zip(state, keys, strict=False) if a != b), "same")
    report.append(Comparison("key order", list(state) == keys, first))
    wrong = [
        f"{key}: {list(state[key].shape)} {state[key].dtype} instead of {shape} {dtype}"
        for key, (_, shape, dtype, _, _) in zip(keys, meta["state_dict"], strict=True)
        if key in state and (list(state[key].shape) != shape or str(state[key].dtype) != f"torch.{dtype}")
    ]
    report.append(Comparison("shapes and dtypes", not wrong, f"{len(wrong)} wrong {wrong[:5]}"))
    count = sum(p.numel() for p in model.parameters())
    report.append(
        Comparison("parameter count", count == meta["num_parameters"], f"{count} of {meta['num_parameters']}")
    )

    constants = {own(k): meta["kept_alias"].get(k, k) for k, _, _, _, rule in meta["state_dict"] if rule == "keep"}
    pairs = [(key, state[key], golden.want[f"keep::{kept}"]) for key, kept in constants.items() if key in state]
    return report + [compare(f"constant {k}", got.cpu().numpy(), want, 1e-6, 1e-7) for k, got, want in pairs]


def compare_streams(golden: Golden) -> list[Comparison]:
    """Whether this NumPy draws the fill and the input that the fixture was made with."""
    pairs = (
        ("fill CRC", crc32(golden.fill().values()), golden.meta["fill"]["crc32"]),
        ("input CRC", crc32([golden.input()]), golden.meta["input"]["crc32"]),
    )
    return [Comparison(name, got == want, f"{got} instead of {want}") for name, got, want in pairs]


def filled(golden: Golden, model: nn.Module, own: KeyMap, dtype: torch.dtype) -> nn.Module:
    """A copy of ``model`` in ``dtype`` that holds the fixture's fill."""
    twin = copy.deepcopy(model).to(dtype)
    state = twin.state_dict()
    with torch.no_grad():
        for key, values in golden.fill().items():
            state[own(key)].copy_(torch.from_numpy(values))
    return twin


def compare_eval(golden: Golden, model: nn.Module, own: KeyMap, forward: Forward) -> list[Comparison]:
    """Eval-mode logits in float64 and float32, after the output of every named stage in float64, in order."""
    meta, want, x = golden.meta, golden.want, torch.from_numpy(golden.input())
    top = meta["results"]["logits_eval_absmax"]
    sums: dict[str, tuple[float, float]] = {}

    def watch(stage: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                sums[stage] = (output.norm().item(), output.sum().item())

        return hook

    twin = filled(golden, model, own, torch.float64).eval()
    modules = dict(twin.named_modules())
    stages = [str(stage) for stage in want["stage_names"]]
    for stage in stages:
        # A key map speaks of tensors, so the module's own path is found through one of its tensors.
        path = own(f"{stage}.weight").removesuffix(".weight")
        if path in modules:
            modules[path].register_forward_hook(watch(stage))
    with torch.no_grad():
        double = forward(twin, x.double())
        single = forward(filled(golden, model, own, torch.float32).eval(), x)

    report = []
    for stage, *figures in zip(stages, want["stage_l2_eval"], want["stage_sum_eval"], strict=True):
        name = f"stage {stage}"
        if stage in sums:
            # A sum may cancel: its rounding is that of the norm.
            atol = VALUES * figures[0]
            report.append(compare(name, sums[stage], figures, VALUES, atol, ("l2", "sum")))
        else:
            report.append(Comparison(name, False, "no module of this name was called with a tensor as its output"))
    report.append(compare("eval logits float64", double, want["logits_eval_f64"], VALUES, VALUES * top))
    limit = max(20 * meta["results"]["f32_vs_f64_absmax"], 1e-5 * top)
    report.append(compare("eval logits float32", single, want["logits_eval_f32"], 0.0, limit))
    return report


def compare_training(golden: Golden, model: nn.Module, own: KeyMap, forward: Forward) -> list[Comparison]:
    """Train-mode logits, gradients and running statistics of the first step, then five SGD steps, in float64."""
    meta, want = golden.meta, golden.want
    x, labels = torch.from_numpy(golden.input()).double(), torch.tensor(meta["labels"])
    twin = filled(golden, model, own, torch.float64).train()
    settings = dict(meta["optimizer"])
    settings.pop("type")
    steps = settings.pop("steps")
    optimizer = torch.optim.SGD(twin.parameters(), **settings)

    report, losses = [], []
    for step in range(steps):
        optimizer.zero_grad()
        logits = forward(twin, x)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            atol = VALUES * np.abs(want["logits_train_f64"]).max()
            report.append(compare("train logits", logits.detach(), want["logits_train_f64"], VALUES, atol))
            report.append(compare("train loss", losses[0], want["loss_train_f64"], VALUES, VALUES))
            report += compare_gradients(golden, twin, own) + compare_statistics(golden, twin, own)
        optimizer.step()
    with torch.no_grad():
        final = F.cross_entropy(forward(twin, x), labels).item()

    report.append(compare(f"loss of {steps} SGD steps", losses, want["sgd_losses_f64"], GRADIENTS, VALUES))
    names = [str(name) for name in want["param_names"]]
    parameters = dict(twin.named_parameters())
    norms = [parameters[own(name)].double().norm().item() for name in names]  # a table of joints is one too
    report.append(compare("param_l2_after_sgd", norms, want["param_l2_after_sgd"], GRADIENTS, VALUES, names))
    # Five momentum steps multiply the gap of the gradients into the loss that follows them.
    report.append(compare("loss after SGD", final, want["loss_train_after_sgd_f64"], GRADIENTS, VALUES))
    return report


def compare_gradients(golden: Golden, model: nn.Module, own: KeyMap) -> list[Comparison]:
    """Norm and sum of every parameter's gradient, and exactly which parameters have none."""
    names = [str(name) for name in golden.want["param_names"]]
    parameters = dict(model.named_parameters())
    gradients = [parameters[own(name)].grad for name in names]
    norms = [np.nan if g is None else g.norm().item() for g in gradients]
    sums = [np.nan if g is None else g.sum().item() for g in gradients]
    atol = VALUES * float(np.nanmax(golden.want["grad_l2"]))
    unused = {name for name, g in zip(names, gradients, strict=True) if g is None}
    differ = sorted(unused ^ set(golden.meta["unused_parameters"]))
    return [
        Comparison("unused_parameters", not differ, f"{len(unused)} without a gradient; wrong {differ[:5]}"),
        compare("gradient norms", norms, golden.want["grad_l2"], GRADIENTS, atol, names),
        compare("gradient sums", sums, golden.want["grad_sum"], GRADIENTS, atol, names),
    ]


def compare_statistics(golden: Golden, model: nn.Module, own: KeyMap) -> list[Comparison]:
    """Running means, variances and counters of every BatchNorm after one forward pass in train mode."""
    names = [str(name) for name in golden.want["bn_names"]]
    state = model.state_dict()
    means = [state[own(f"{name}.running_mean")].norm().item() for name in names]
    variances = [state[own(f"{name}.running_var")].norm().item() for name in names]
    batches = [state[own(f"{name}.num_batches_tracked")].item() for name in names]
    return [
        compare("running means", means, golden.want["bn_mean_l2"], VALUES, VALUES, names),
        compare("running variances", variances, golden.want["bn_var_l2"], VALUES, VALUES, names),
        compare("running counters", batches, golden.want["bn_batches"], 0.0, 0.0, names),
    ]


class CheckModel:
    """``check_model(stem, model)``: all comparisons of a fixture; fails with the list of those that are off."""

    def __call__(
        self,
        stem: str,
        model: nn.Module,
        forward: Forward | None = None,
        key_map: KeyMap | None = None,
        skip: Collection[str] = (),
    ) -> list[Comparison]:
        """Compare ``model``, freshly built in float32 and left unchanged, with ``tests/golden/<stem>``.

        ``forward(model, x)`` gives logits (N, classes) for the input in the fixture's layout; ``key_map`` turns a
        fixture's key into the model's; ``skip`` are names of comparisons that the model is known not to offer.
        """
        golden = load_golden(stem)
        own = key_map or (lambda key: key)
        report = compare_structure(golden, model, own) + compare_streams(golden)
        runnable = ("keys", "shapes and dtypes", "fill CRC", "input CRC")
        if all(c.passed for c in report if c.name in runnable):
            report += self._values(golden, model, forward, own)
        unknown = set(skip) - {c.name for c in report}
        report += [Comparison(name, False, "to be skipped, but there is no such comparison") for name in unknown]
        return _judged(stem, report, skip)

    def values(
        self, golden: Golden, model: nn.Module, forward: Forward | None = None, key_map: KeyMap | None = None
    ) -> list[Comparison]:
        """Only what ``model`` computes: for a network whose weights have other names and shapes than the fixture's."""
        report = self._values(golden, model, forward, key_map or (lambda key: key))
        return _judged(golden.meta["fixture"], report, ())

    def _values(self, golden: Golden, model: nn.Module, forward: Forward | None, own: KeyMap) -> list[Comparison]:
        run = forward or (lambda module, x: module(x))
        return compare_eval(golden, model, own, run) + compare_training(golden, model, own, run)


def _judged(stem: str, report: list[Comparison], skip: Collection[str]) -> list[Comparison]:
    """``report`` itself; the test fails where a comparison that is not to be skipped is off."""
    off = [c for c in report if not c.passed and c.name not in skip]
    if off:
        lines = "\n".join(f"  {c.name}: {c.detail}" for c in off)
        pytest.fail(f"{stem}: {len(off)} of {len(report)} comparisons are off\n{lines}", pytrace=False)
    return report


def load_golden(stem: str) -> Golden:
    """The fixture ``tests/golden/<stem>.json`` with ``.npz``."""
    meta = json.loads((GOLDEN / f"{stem}.json").read_text(encoding="utf-8"))
    with np.load(GOLDEN / f"{stem}.npz", allow_pickle=False) as arrays:
        return Golden(meta, dict(arrays))


@pytest.fixture
def golden() -> Callable[[str], Golden]:
    """Loads a model fixture by its stem, for tests that look at single figures."""
    return load_golden


@pytest.fixture
def check_model() -> CheckModel:
    """All comparisons of a model fixture in one call: ``check_model("msg3d_ntu60", model)``."""
    return CheckModel()
