"""Networks as files of other programs: ONNX, ``torch.export`` and safetensors; each read back as others read it."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.export.checks import ParityError, Run
from engine.export.exported import KEY, needed
from engine.export.plan import Plan
from errors import InputError

_FREE = torch.export.Dim.DYNAMIC
_AXES = "clips (N, C, T, V, M): clip, channel, frame, joint, body; float32, prepared as skeleton_action says"


def programme(plan: Plan, example: Sequence[Tensor], batch: int | None, frames: int | None) -> Any:
    """The networks traced on ``example``, one batch (N, C, T, V, M) for each input: a ``torch.export`` program.

    Raises:
        InputError: they are not for any length or number of clips, where ``frames`` or ``batch`` is None.
    """
    free = {axis: _FREE for axis, size in ((0, batch), (2, frames)) if size is None}
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(plan.joined, tuple(example), dynamic_shapes=(tuple(free for _ in example),))
    except Exception as error:  # of torch's own many kinds
        hint = "; without --frames dynamic its length is fixed" if frames is None else ""
        reason = str(error).strip().partition("\n")[0][:300]
        raise InputError(f"the networks cannot be traced{hint}: {reason or type(error).__name__}") from error


def write_onnx(path: Path, program: Any, plan: Plan) -> Run:
    """Write an ``.onnx`` file with the names of inputs, outputs and classes, and give what onnxruntime makes of it.

    Raises:
        InputError: a package is missing, or an operator that ONNX does not have.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        needed(package, "an export to ONNX")
    try:
        with quiet():
            made = torch.onnx.export(
                program, dynamo=True, verbose=False, input_names=list(plan.inputs), output_names=plan.outputs
            )
    except Exception as error:  # of torch's own many kinds
        raise InputError(
            f"the networks do not become ONNX: {str(error).strip().partition(chr(10))[0][:300]}"
        ) from error
    assert made is not None
    sizes = {name: list(put.shape or ()) for name, put in zip(plan.inputs, made.model.graph.inputs, strict=True)}
    made.model.metadata_props.update(
        {
            KEY: json.dumps(plan.about, ensure_ascii=False),
            "class_names": json.dumps(plan.about["class_names"], ensure_ascii=False),
            "inputs": json.dumps({name: {"axes": _AXES, "shape": [str(s) for s in of]} for name, of in sizes.items()}),
        }
    )
    made.model.producer_name = "skeleton-action"
    made.save(str(path))
    return onnx_run(path, plan)


def onnx_run(path: Path, plan: Plan) -> Run:
    """What onnxruntime makes of clips with the file.

    Raises:
        ParityError: it does not take the file.
    """
    runtime = needed("onnxruntime", f"{path}: an .onnx file")
    try:
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # each kind of onnxruntime's errors is a class of its own below Exception
        raise ParityError(f"onnxruntime does not take the file: {str(error).strip()[:300]}") from error

    def run(clips: Sequence[Tensor]) -> Sequence[np.ndarray]:
        given = dict(zip(plan.inputs, (some.contiguous().numpy() for some in clips), strict=True))
        try:
            # What a graph does not use is no input of it any more; that its output is constant is said later.
            taken = {put.name for put in session.get_inputs()}
            found: Sequence[np.ndarray] = session.run(plan.outputs, {k: v for k, v in given.items() if k in taken})
        except Exception as error:
            shapes = [tuple(some.shape) for some in clips]
            raise ParityError(f"onnxruntime fails on clips {shapes}: {str(error).strip()[:300]}") from error
        return found

    return run


def write_pt2(path: Path, program: Any, plan: Plan) -> Run:
    """Write a ``.pt2`` file (``torch.export.load`` reads it) and give what it makes of clips.

    ``extra_files["skeleton_action.json"]`` is what other files keep as metadata.
    """
    with quiet():
        torch.export.save(program, path, extra_files={f"{KEY}.json": json.dumps(plan.about, ensure_ascii=False)})
        module = torch.export.load(path).module()

    def run(clips: Sequence[Tensor]) -> Sequence[np.ndarray]:
        try:
            with torch.inference_mode():
                return [output.numpy() for output in module(*clips)]
        except (RuntimeError, AssertionError, ValueError) as error:
            shapes = [tuple(some.shape) for some in clips]
            # MS-G3D strides over every other frame, and torch guards the memory that an even number of them has.
            hint = "; without --frames dynamic the length is fixed, and ONNX has no such guards"
            reason = str(error).strip()[:300] + (hint if "Guard" in str(error) else "")
            raise ParityError(f"the program fails on clips {shapes}: {reason}") from error

    return run


def write_safetensors(path: Path, plan: Plan) -> None:
    """Write the weights by name, those of several streams after ``<stream>.``, and read them back.

    Raises:
        InputError: safetensors is missing.
        ParityError: other values are read.
    """
    needed("safetensors", "an export to safetensors")
    from safetensors.torch import load_file, save_file

    several = len(plan.streams) > 1
    weights = {
        f"{name}.{key}" if several else key: value.detach().cpu().contiguous().clone()
        for name, model in zip(plan.streams, plan.joined.models, strict=True)
        for key, value in model.state_dict().items()
    }
    held = {KEY: json.dumps(plan.about, ensure_ascii=False), "class_names": json.dumps(plan.about["class_names"])}
    save_file(weights, str(path), {"format": "pt", **held})
    found = load_file(str(path))
    if found.keys() != weights.keys() or not all(torch.equal(found[key], weights[key]) for key in weights):
        raise ParityError("other weights are read from the file than were written")


@contextmanager
def quiet() -> Iterator[None]:
    """What torch's exporters say to those who write them is not for whoever exports a network."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
