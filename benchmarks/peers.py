"""Published networks out of checkouts of their repositories, and ours with the same weights, to be run side by side."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from errors import InputError, one_of
from model.mstgcn import published_rows

PLAIN = "plain"
"""In place of a checkout: our own network of plain operators."""


@dataclass(frozen=True)
class Peer:
    """A network here (``network``, and its ``arguments`` as published for NTU RGB+D), and who has it too.

    ``file`` tells a checkout; ``build`` makes the peer's network, started in the checkout, from ours. ``sizes`` are
    numbers of clips and of their frames to measure with.
    """

    network: str
    arguments: dict[str, Any]
    sizes: tuple[tuple[int, int], ...]
    file: str = ""
    build: Callable[[dict[str, Any], nn.Module], nn.Module] | None = None


def side_by_side(peer: Peer, folder: str) -> tuple[nn.Module, nn.Module]:
    """The peer's network and ours, with the same weights, none of them where training starts.

    The packages of a checkout have the names of ours: this process is of no use for anything else afterwards.
    """
    torch.manual_seed(0)
    ours: nn.Module = importlib.import_module(f"model.{peer.network}").Model(**peer.arguments)
    stir(ours)
    if folder == PLAIN or peer.build is None:
        theirs: nn.Module = importlib.import_module(f"model.{peer.network}").Model(**peer.arguments)
        theirs.load_state_dict(ours.state_dict())
        return theirs, ours
    for name in [name for name in sys.modules if name.partition(".")[0] in ("model", "graph")]:
        del sys.modules[name]
    os.chdir(folder)
    sys.path.insert(0, folder)
    return peer.build(peer.arguments, ours), ours


def stir(model: nn.Module) -> None:
    """Move all that starts at one value from it, and take the statistics of made clips."""
    starts = ("A_res", "PA", "alpha", "beta", "add_coeff", "Pre_def")
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.rpartition(".")[2] in starts:
                tensor.add_(torch.empty_like(tensor).uniform_(-0.05, 0.05))
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    frames = getattr(model, "window_size", 40)
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        model(torch.randn(2, 3, frames, 25, 2))
    for norm in norms:
        norm.momentum = 0.1


def _msg3d(arguments: dict[str, Any], ours: nn.Module) -> nn.Module:
    theirs: nn.Module = importlib.import_module("model.msg3d").Model(**arguments)
    theirs.load_state_dict(ours.state_dict())
    for name, fixed in [(n.removesuffix(".A"), b) for n, b in ours.named_buffers() if n.endswith(".A")]:
        module = theirs.get_submodule(name)  # whose graphs are no buffers, and off by a last bit of float32
        module.__dict__["A_powers" if "A_powers" in module.__dict__ else "A_scales"] = fixed.flatten(0, 1).clone()
    return theirs


class _First(nn.Module):
    """A network that gives its logits among other things."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        found = self.network(x)
        logits: Tensor = found[1] if isinstance(found, tuple) else found
        return logits


def _mstgcn(arguments: dict[str, Any], ours: nn.Module) -> nn.Module:
    rows = [list(row) for row in published_rows(3, (112, 224, 448))]
    settings = {"kernel_size": 9, "block_type": "ms", "reduct_ratio": 2, "expand_ratio": 0, "s_scale": 4, "t_scale": 4}
    settings |= {"layer_type": "basic", "act": "relu", "atten": "None", "bias": True, "block_args": rows}
    graph = {"graph_args": {"labeling_mode": "spatial"}}
    theirs: nn.Module = importlib.import_module("model.AEMST_GCN").Model(**arguments, **settings, **graph)
    theirs.load_state_dict(ours.state_dict())
    return _First(theirs)


class _Recogniser(nn.Module):
    """pyskl's backbone with a head like its own: means over frames, joints and bodies, then a linear layer."""

    def __init__(self, backbone: nn.Module, fc: nn.Linear) -> None:
        super().__init__()
        self.backbone, self.fc = backbone, nn.Linear(fc.in_features, fc.out_features)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.backbone(x.permute(0, 4, 2, 3, 1).contiguous())  # (N, M, C, T, V)
        logits: Tensor = self.fc(features.mean(dim=(3, 4)).mean(dim=1))
        return logits


def _dgstgcn(arguments: dict[str, Any], ours: Any) -> nn.Module:
    _stand_in_for_mmcv()
    branches = [(3, 1), (3, 2), (3, 3), (3, 4), ("max", 3), "1x1"]
    graph = {"layout": "nturgb+d", "mode": "random", "num_filter": 8, "init_off": 0.04, "init_std": 0.02}
    settings = {"gcn_ratio": 0.125, "gcn_ctr": "T", "gcn_ada": "T", "tcn_ms_cfg": branches}
    backbone = importlib.import_module("pyskl.models.gcns.dgstgcn").DGSTGCN(graph_cfg=graph, **settings)
    theirs: nn.Module = _Recogniser(backbone, ours.fc)
    named = {name if name.startswith("fc.") else f"backbone.{name}": value for name, value in ours.state_dict().items()}
    theirs.load_state_dict(named)
    return theirs


def _stand_in_for_mmcv() -> None:
    """What pyskl's networks use of mmcv, which nobody can install any more, and pyskl's folders as packages."""

    class Registry:
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            pass

        def register_module(self, *arguments: Any, **settings: Any) -> Callable[[Any], Any]:
            return lambda cls: cls

    def kind(given: Any) -> str:
        return str(given if isinstance(given, str) else given["type"])

    def norm(given: Any, channels: int) -> tuple[str, nn.Module]:
        return "bn", {"BN": nn.BatchNorm2d}[kind(given)](channels)

    def activation(given: Any) -> nn.Module:
        kinds: dict[str, type[nn.Module]] = {"ReLU": nn.ReLU, "Sigmoid": nn.Sigmoid, "Tanh": nn.Tanh}
        return kinds[kind(given)]()

    made: dict[str, dict[str, Any]] = {
        "mmcv": {},
        "mmcv.cnn": {"MODELS": Registry(), "build_norm_layer": norm, "build_activation_layer": activation},
        "mmcv.runner": {"load_checkpoint": None, "get_dist_info": lambda: (0, 1)},
        "mmcv.utils": {"Registry": Registry, "_BatchNorm": nn.modules.batchnorm._BatchNorm},
        "pyskl": {},
        "pyskl.utils": {"cache_checkpoint": None},
        "pyskl.models": {},
        "pyskl.models.builder": {"BACKBONES": Registry()},
        "pyskl.models.gcns": {},
    }
    for name, content in made.items():
        module = ModuleType(name)
        module.__dict__.update(content)
        if name.startswith("pyskl") and not name.endswith("builder"):
            module.__path__ = [str(Path(*name.split(".")).resolve())]
        sys.modules[name] = module
    sys.modules["pyskl.utils"].__dict__["Graph"] = importlib.import_module("pyskl.utils.graph").Graph


_NTU: dict[str, Any] = {"num_class": 60, "num_point": 25, "num_person": 2}

PEERS: dict[str, Peer] = {
    "msg3d": Peer(
        "msg3d",
        _NTU | {"num_gcn_scales": 13, "num_g3d_scales": 6, "graph": "graph.ntu_rgb_d.AdjMatrixGraph"},
        ((8, 100), (2, 300)),
        "model/msg3d.py",
        _msg3d,
    ),
    "mstgcn": Peer(
        "mstgcn", _NTU | {"graph": "graph.ntu_rgb_d.Graph"}, ((8, 100), (2, 300)), "model/AEMST_GCN.py", _mstgcn
    ),
    "pyskl": Peer(
        "dgstgcn",
        _NTU | {"graph": "graph.ntu_rgb_d.AdjMatrixGraph"},
        ((8, 100), (2, 100)),
        "pyskl/models/gcns/dgstgcn.py",
        _dgstgcn,
    ),
    "msagcn": Peer("msagcn", _NTU | {"graph": "graph.ntu_rgb_d.Graph"}, ((8, 64), (2, 64))),
}


def checked(text: str) -> tuple[str, str]:
    """``NAME=DIR`` of a command line: the peer's name, and the folder of its checkout or the word ``plain``.

    Raises:
        InputError: an unknown name, or a folder without the peer's network.
    """
    name, _, folder = text.partition("=")
    one_of("--peer", name, PEERS)
    file = PEERS[name].file
    if folder == PLAIN:
        return name, folder
    if not (file and (Path(folder) / file).is_file()):
        wanted = f"a checkout with {file} in it, or the word" if file else "the word"
        raise InputError(f"--peer {text}: wanted {wanted} {PLAIN}")
    return name, str(Path(folder).resolve())
