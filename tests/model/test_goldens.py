"""DG-STGCN, MST-GCN, MSA-GCN and pyskl's MS-G3D against the numbers of the published implementations."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.families import translated
from engine.weights import load_weights
from model import dgstgcn, msagcn, msg3d, mstgcn
from model.fuse import fuse

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MSTGCN = sorted(path.stem for path in GOLDEN.glob("mstgcn_*.json"))
DGSTGCN = sorted(path.stem for path in GOLDEN.glob("dgstgcn_*.json"))
JOINTS = {"nturgb+d": 25, "coco": 17}
PYSKL_GRAPH: dict[str, Any] = {
    "graph": "graph.custom.AdjMatrixGraph",
    "graph_args": {"layout": "nturgb+d"},
    "graph_normalization": "random_walk",
}


@pytest.mark.parametrize("form", ["plain", "fused"])
@pytest.mark.parametrize("stem", MSTGCN)
def test_mstgcn(stem: str, form: str, golden: Any, check_model: Any) -> None:
    model = mstgcn.Model(**golden(stem).meta["constructor"]["args"])
    skip = ["stage gap"]  # ours averages without a module of that name
    if form == "fused":  # and fused, a stage sees few bodies at a time, and absent ones once
        fuse(model)
        skip = [f"stage {name}" for name in golden(stem).want["stage_names"]]
    check_model(stem, model, skip=skip)


@pytest.mark.parametrize("form", ["plain", "fused"])
@pytest.mark.parametrize("stem", DGSTGCN)
def test_dgstgcn(stem: str, form: str, golden: Any, check_model: Any) -> None:
    model, skip = pyskl_dgstgcn(golden(stem).meta["constructor"]["args"]), []
    if form == "fused":
        fuse(model)
        skip = [f"stage {name}" for name in golden(stem).want["stage_names"]]
    check_model(stem, model, bodies_first, own_key, skip=skip)


@pytest.mark.parametrize("form", ["plain", "fused"])
def test_msagcn(form: str, golden: Any, check_model: Any) -> None:
    model = msagcn.Model(**golden("msagcn_ntu60").meta["constructor"]["args"])
    assert form == "plain" or fuse(model) == 21
    check_model("msagcn_ntu60", model)


def pyskl_dgstgcn(arguments: dict[str, Any]) -> dgstgcn.Model:
    """Our network for pyskl's configuration."""
    backbone = dict(arguments["backbone"])
    assert backbone.pop("type") == "DGSTGCN"
    graph = dict(backbone.pop("graph_cfg"))
    layout, mode = graph.pop("layout"), graph.pop("mode")
    return dgstgcn.Model(
        num_class=arguments["cls_head"]["num_classes"],
        num_point=JOINTS[layout],
        num_person=2,
        graph="graph.custom.AdjMatrixGraph",
        graph_args={"layout": layout},
        graph_mode=mode,
        **graph,
        **backbone,
    )


def bodies_first(model: torch.nn.Module, x: Tensor) -> Tensor:
    """Pyskl's clips (N, M, T, V, C) into ours."""
    logits: Tensor = model(x.permute(0, 4, 2, 3, 1))
    return logits


def own_key(key: str) -> str:
    return key.removeprefix("backbone.").replace("cls_head.fc_cls.", "fc.")


# --- pyskl's MS-G3D: the same network on another graph, under other names, its matrices transposed ------------------


@pytest.fixture(scope="module")
def pyskl_msg3d() -> Any:
    """Our network as pyskl configures it."""
    scales = {"num_gcn_scales": 13, "num_g3d_scales": 6}
    return msg3d.Model(num_class=60, num_point=25, num_person=2, **scales, **PYSKL_GRAPH)


def as_file(golden: Any) -> dict[str, Tensor]:
    """The fixture's weights as pyskl would have saved them."""
    meta, want = golden.meta, golden.want
    state = {key: torch.from_numpy(values) for key, values in golden.fill().items()}
    kept = [key for key, _, _, _, rule in meta["state_dict"] if rule == "keep"]
    return state | {key: torch.from_numpy(want[f"keep::{meta['kept_alias'].get(key, key)}"]) for key in kept}


@pytest.mark.parametrize("form", ["plain", "fused"])
def test_every_figure_of_pyskls_msg3d(form: str, golden: Any, pyskl_msg3d: Any, check_model: Any) -> None:
    """Keys and shapes apart, which the translation changes: A_res holds PA, transposed."""
    fixture, model = golden("pyskl_msg3d_ntu60"), copy.deepcopy(pyskl_msg3d)
    assert form == "plain" or fuse(model) == 25

    class Translated(type(fixture)):  # type: ignore[misc]
        def fill(self) -> dict[str, np.ndarray]:
            drawn = super().fill()
            named = translated({key: torch.from_numpy(values) for key, values in drawn.items()})
            return {key: named[msg3d_key(key)].numpy() for key in drawn}

    check_model.values(Translated(fixture.meta, fixture.want), model, bodies_first, msg3d_key)


def test_pyskls_msg3d_has_the_published_graphs(golden: Any, pyskl_msg3d: Any) -> None:
    graphs = [key for key in translated(as_file(golden("pyskl_msg3d_ntu60"))) if key.endswith(".A")]
    assert len(graphs) == 9
    for key in graphs:
        want = translated(as_file(golden("pyskl_msg3d_ntu60")))[key]
        assert torch.equal(pyskl_msg3d.get_buffer(key), want), key


def test_the_graphs_in_a_file_are_honoured(golden: Any) -> None:
    """Into the official network, with another tree and another normalisation: the scores are still pyskl's."""
    fixture = golden("pyskl_msg3d_ntu60")
    arguments = golden("msg3d_ntu60").meta["constructor"]["args"]
    model = msg3d.Model(**arguments)
    said = load_weights(model, translated(as_file(fixture)), "j.pth")
    assert said == ["j.pth: brings 9 graphs of its own, used in place of the configured ones"]
    x = torch.from_numpy(fixture.input()).double()
    with torch.no_grad():
        logits = bodies_first(model.double().eval(), x)
    np.testing.assert_allclose(logits, fixture.want["logits_eval_f64"], rtol=1e-9, atol=1e-8)
    again = msg3d.Model(**arguments)  # and what is saved from here on brings them along
    load_weights(again, model.state_dict(), "weights-1-1.pt")
    assert torch.equal(again.get_buffer("sgcn1.0.A"), model.get_buffer("sgcn1.0.A").float())


def test_official_weights_through_pyskls_names(golden: Any) -> None:
    """The published mapping: official weights under pyskl's names, on official and on pyskl's graphs."""
    meta = json.loads((GOLDEN / "mapping_pyskl_msg3d.json").read_text(encoding="utf-8"))
    official = golden("msg3d_ntu60")
    renamed: dict[str, Tensor] = {}
    for key, values in official.fill().items():
        name, tensor = "backbone." + key, torch.from_numpy(values)
        if key.startswith("fc."):
            name = "cls_head.fc_cls." + key.removeprefix("fc.")
        if key.endswith(".A_res"):
            joints = tensor.shape[1]
            name, tensor = name.replace("A_res", "PA"), tensor.view(-1, joints, joints).transpose(1, 2)
        renamed[name] = tensor
    with np.load(GOLDEN / "mapping_pyskl_msg3d.npz") as arrays:
        want = dict(arrays)
    x = torch.from_numpy(type(official)({"input": meta["input"]}, {}).input()).double()
    arguments = meta["official_constructor"]
    for graph, key in ((arguments, "logits_official_f64"), (arguments | PYSKL_GRAPH, "logits_pyskl_f64")):
        model = msg3d.Model(**graph)
        assert load_weights(model, translated(renamed), "mapping") == []
        with torch.no_grad():
            logits = model.double().eval()(x)
        np.testing.assert_allclose(logits, want[key], rtol=1e-9, atol=1e-8, err_msg=key)


def msg3d_key(key: str) -> str:
    return own_key(key).replace(".PA", ".A_res")
