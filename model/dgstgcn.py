"""DG-STGCN (Duan et al., 2022; the pyskl lineage): no prescribed graph, dynamic groups in space and in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from errors import InputError
from graph.adjacency import spatial_partition, stgcn_partition
from graph.build import BuiltGraph, build_graph
from model.dg_gcn import DynamicGroupGraphConv
from model.dg_tcn import PUBLISHED, DynamicGroupTemporalConv
from model.outline import outline
from model.temporal_conv import shortcut

GRAPH_MODES = ("random", "spatial", "stgcn_spatial", "binary_adj")


class Block(nn.Module):
    """DG-GCN, then DG-TCN, with a residual around both.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, ceil(T / stride), V).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        adjacency: Tensor,
        *,
        stride: int,
        residual: bool,
        gcn: Mapping[str, Any],
        tcn: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.gcn = DynamicGroupGraphConv(in_channels, out_channels, adjacency, **gcn)
        self.tcn = DynamicGroupTemporalConv(out_channels, out_channels, stride=stride, **tcn)
        self.residual = shortcut(in_channels, out_channels, stride=stride, residual=residual)
        self.built = outline(self)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.tcn(self.gcn(x)) + self.residual(x))


class Model(nn.Module):
    """The published network; state-dict keys are pyskl's without ``backbone.``, and its ``cls_head.fc_cls`` is ``fc``.

    The settings of ``gcn_*`` and ``tcn_*`` may be lists with one value for each of ``num_stages`` blocks.

    Args:
        num_class: classes to tell apart.
        num_point: joints V of a body; must be those of ``graph``.
        num_person: bodies M of a clip.
        graph: dotted path of a graph class; it supplies V, and the edges for the modes that start from them.
        graph_args: arguments of the graph class.
        graph_mode: where the learned adjacency starts: ``random`` (published; ``num_filter`` matrices drawn around
            ``init_off`` with deviation ``init_std``, the same for every block), ``spatial``, ``stgcn_spatial`` or
            ``binary_adj``.
        in_channels: channels C of a clip.
        base_channels, ch_ratio, num_stages, inflate_stages, down_stages: blocks; those in ``inflate_stages`` (counted
            from 1) multiply the width by ``ch_ratio``, those in ``down_stages`` halve the frames.
        widths: the widths before and after each of ``inflate_stages``, in place of ``base_channels`` and ``ch_ratio``.
        data_bn_type: normalise the input per joint and channel (``VC``), also per body (``MVC``), or not (``none``).
        gcn_ratio, gcn_ctr, gcn_ada, gcn_subset_wise, gcn_ctr_act, gcn_ada_act: see ``dg_gcn``.
        tcn_ms_cfg, tcn_dropout, tcn_num_joints: see ``dg_tcn``; not in the first block: dropout.
        dropout: share of features dropped before the classifier.

    Shapes: (N, C, T, V, M) -> logits (N, num_class). T is free.

    Raises:
        InputError: an argument that does not work, in a sentence.
    """

    def __init__(
        self,
        num_class: int,
        num_point: int,
        num_person: int,
        graph: str,
        graph_args: Mapping[str, Any] | None = None,
        graph_mode: str = "random",
        num_filter: int = 8,
        init_off: float = 0.04,
        init_std: float = 0.02,
        in_channels: int = 3,
        base_channels: int = 64,
        ch_ratio: float = 2,
        num_stages: int = 10,
        inflate_stages: Sequence[int] = (5, 8),
        down_stages: Sequence[int] = (5, 8),
        widths: Sequence[int] | None = None,
        data_bn_type: str = "VC",
        gcn_ratio: Any = 0.125,
        gcn_ctr: Any = "T",
        gcn_ada: Any = "T",
        gcn_subset_wise: Any = False,
        gcn_ctr_act: Any = "tanh",
        gcn_ada_act: Any = "softmax",
        tcn_ms_cfg: Sequence[Any] = PUBLISHED,
        tcn_dropout: Any = 0.0,
        tcn_num_joints: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        start = _start(build_graph(graph, graph_args, num_point), graph_mode, num_filter, init_off, init_std)
        coefficients = max(25, num_point) if tcn_num_joints is None else tcn_num_joints
        if coefficients < num_point:
            raise InputError(f"model_args: tcn_num_joints is {coefficients}, fewer than num_point, {num_point}")
        if num_stages < 1 or min(*inflate_stages, *down_stages, 2, 2) < 2:
            raise InputError("model_args: num_stages is at least 1, and inflate_stages and down_stages begin with 2")
        gcn = _per_block(
            num_stages,
            "gcn_",
            ratio=gcn_ratio,
            ctr=gcn_ctr,
            ada=gcn_ada,
            subset_wise=gcn_subset_wise,
            ctr_act=gcn_ctr_act,
            ada_act=gcn_ada_act,
        )
        tcn = _per_block(num_stages, "tcn_", ms_cfg=tcn_ms_cfg, dropout=tcn_dropout, num_joints=coefficients)
        tcn[0]["dropout"] = 0.0  # as published

        self.data_bn_type = data_bn_type
        self.data_bn = _data_bn(data_bn_type, num_person, num_point, in_channels)
        width_of = _widths(base_channels, ch_ratio, inflate_stages, widths, num_stages)
        blocks = [
            Block(
                in_channels if stage == 1 else width_of[stage - 1],
                width_of[stage],
                start,
                stride=2 if stage in down_stages and stage > 1 else 1,
                residual=stage > 1,
                gcn=gcn[stage - 1],
                tcn=tcn[stage - 1],
            )
            for stage in range(1, num_stages + 1)
        ]
        self.gcn = nn.ModuleList(blocks if in_channels != width_of[1] else blocks[1:])  # as published
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear(width_of[num_stages], num_class)
        nn.init.normal_(self.fc.weight, 0, 0.01)
        nn.init.zeros_(self.fc.bias)
        self.built = outline(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features(self.bodies(x)), x.shape[0])

    def bodies(self, x: Tensor) -> Tensor:
        """Every body on its own, normalised: (N, C, T, V, M) -> (NM, C, T, V)."""
        n, c, t, v, m = x.shape
        x = x.permute(0, 4, 3, 1, 2)  # -> (N, M, V, C, T)
        x = x.reshape(n, m * v * c, t) if self.data_bn_type == "MVC" else x.reshape(n * m, v * c, t)
        x = self.data_bn(x)
        return x.view(n * m, v, c, t).permute(0, 2, 3, 1).contiguous()

    def features(self, x: Tensor) -> Tensor:
        """The blocks, and the mean over frames and joints: (NM, C, T, V) -> (NM, C')."""
        for block in self.gcn:
            x = block(x)
        return x.mean(dim=(2, 3))

    def classify(self, x: Tensor, clips: int) -> Tensor:
        """The mean over the bodies of each of ``clips`` clips, classified: (NM, C') -> logits (N, num_class)."""
        return self.fc(self.drop(x.view(clips, -1, x.shape[1]).mean(dim=1)))

    def graphs(self) -> dict[str, Tensor]:
        """The learned adjacencies by module name, each (K, V, V), without what a clip adds."""
        return {
            name: module.A.detach()
            for name, module in self.named_modules()
            if isinstance(module, DynamicGroupGraphConv)
        }


def _start(graph: BuiltGraph, mode: str, num_filter: int, off: float, std: float) -> Tensor:
    """Where the adjacency of every block starts: (K, V, V)."""
    if mode not in GRAPH_MODES:
        raise InputError(f"model_args: graph_mode is {mode!r}, wanted one of {', '.join(GRAPH_MODES)}")
    if mode == "random":
        if num_filter < 1:
            raise InputError(f"model_args: num_filter is {num_filter}, wanted at least 1")
        return torch.randn(num_filter, graph.num_joints, graph.num_joints) * std + off
    if mode == "binary_adj":
        return torch.from_numpy(graph.binary)[None]
    layout = graph.layout
    if mode == "spatial":
        matrices = spatial_partition(layout.num_joints, layout.edges)
    else:
        matrices = stgcn_partition(layout.num_joints, layout.edges, layout.center)
    return torch.from_numpy(matrices).float()


def _data_bn(kind: str, num_person: int, num_point: int, in_channels: int) -> nn.Module:
    channels = {"VC": num_point * in_channels, "MVC": num_person * num_point * in_channels}
    if kind in channels:
        return nn.BatchNorm1d(channels[kind])
    if kind != "none":
        raise InputError(f"model_args: data_bn_type is {kind!r}, wanted VC, MVC or none")
    return nn.Identity()


def _widths(base: int, ratio: float, inflate: Sequence[int], widths: Sequence[int] | None, stages: int) -> list[int]:
    """Width after each stage, counted from 1 (entry 0 stands for nothing)."""
    if widths is not None and len(widths) != len(set(inflate)) + 1:
        raise InputError(
            f"model_args: widths has {len(widths)} entries, wanted {len(set(inflate)) + 1}: "
            f"one, and one for each of inflate_stages {list(inflate)}"
        )
    found = [0]
    for stage in range(1, stages + 1):
        times = sum(1 < step <= stage for step in set(inflate))
        found.append(int(base * ratio**times + 1e-4) if widths is None else widths[times])
    return found


def _per_block(num_stages: int, prefix: str, **settings: Any) -> list[dict[str, Any]]:
    """The settings of each block: a list or tuple of ``num_stages`` values gives every block its own."""

    def of(name: str, value: Any, stage: int) -> Any:
        own = isinstance(value, list | tuple) and (name != "ms_cfg" or _is_list_of_ms_cfgs(value))
        if own and len(value) != num_stages:
            raise InputError(f"model_args: {prefix}{name} has {len(value)} values for {num_stages} blocks (num_stages)")
        return value[stage] if own else value

    return [{name: of(name, value, stage) for name, value in settings.items()} for stage in range(num_stages)]


def _is_list_of_ms_cfgs(value: Sequence[Any]) -> bool:
    """Whether these are the branches of every block, not the branches of one: a branch holds no branch."""
    return bool(value) and all(
        isinstance(item, list | tuple) and item and (item[0] == "1x1" or isinstance(item[0], list | tuple))
        for item in value
    )
