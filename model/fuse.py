"""The faster forms of operators in place of the plain ones, and back: same weights, same keys, same numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn

from model import dgstgcn, msagcn, msg3d, mstgcn
from model.batch_norm import WeightedBatchNorm1d, WeightedBatchNorm2d
from model.dg_gcn import DynamicGroupGraphConv
from model.dg_tcn import DynamicGroupTemporalConv
from model.fast import network
from model.fast.dg_block import FastBlock
from model.fast.dg_gcn import FastDynamicGroupGraphConv
from model.fast.dg_tcn import FastDynamicGroupTemporalConv
from model.fast.ms_g3d import FastG3D
from model.fast.ms_gcn import FastMultiScaleGraphConv
from model.fast.ms_tcn import FastMultiScaleTemporalConv
from model.fast.msa_gc import FastMSAGC
from model.fast.mst_spatial import FastBasicSpatial, FastMultiScaleSpatial
from model.fast.mst_temporal import FastBasicTemporal, FastMultiScaleTemporal
from model.fast.tmst import FastTMST
from model.ms_g3d import G3D
from model.ms_gcn import MultiScaleGraphConv
from model.ms_tcn import MultiScaleTemporalConv
from model.msa_gc import MSAGC
from model.mst_spatial import BasicSpatial, MultiScaleSpatial
from model.mst_temporal import BasicTemporal, MultiScaleTemporal
from model.outline import hooked, unchanged
from model.tmst import TMST

OPERATORS: dict[type[nn.Module], type[nn.Module]] = {
    MultiScaleGraphConv: FastMultiScaleGraphConv,
    G3D: FastG3D,
    MultiScaleTemporalConv: FastMultiScaleTemporalConv,
    dgstgcn.Block: FastBlock,
    DynamicGroupGraphConv: FastDynamicGroupGraphConv,
    DynamicGroupTemporalConv: FastDynamicGroupTemporalConv,
    BasicSpatial: FastBasicSpatial,
    MultiScaleSpatial: FastMultiScaleSpatial,
    BasicTemporal: FastBasicTemporal,
    MultiScaleTemporal: FastMultiScaleTemporal,
    MSAGC: FastMSAGC,
    TMST: FastTMST,
}
FASTER = OPERATORS | {
    msg3d.Model: network.FastMSG3D,
    mstgcn.Model: network.FastMSTGCN,
    dgstgcn.Model: network.FastDGSTGCN,
    msagcn.Model: network.FastMSAGCN,
}
COUNTING: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: WeightedBatchNorm1d,
    nn.BatchNorm2d: WeightedBatchNorm2d,
}


def fuse(model: nn.Module) -> int:
    """Have every operator of ``model`` that has a faster form use it; how many do.

    One that is not what it was built as stays plain: parts put in place of others, or a hook on one of them. Only
    classes change: parameters, buffers, the operators' own hooks and the keys of the state dict stay what they are.
    Networks that leave out absent bodies get BatchNorms that count these. What is exported is written down in plain
    operators.
    """
    changed = _turned([m for m in model.modules() if unchanged(m) and not (type(m) in OPERATORS and hooked(m))], FASTER)
    if changed:
        _turned(model.modules(), COUNTING)
    return changed


def left_plain(model: nn.Module) -> int:
    """How many operators of ``model`` have a faster form and do not use it."""
    return sum(type(module) in OPERATORS for module in model.modules())


def unfuse(model: nn.Module) -> int:
    """Undo ``fuse``; how many operators are plain again."""
    _turned(model.modules(), {fast: plain for plain, fast in COUNTING.items()})
    return _turned(model.modules(), {fast: plain for plain, fast in FASTER.items()})


@contextmanager
def plainly(model: nn.Module) -> Iterator[None]:
    """Within, every operator of ``model`` is the plain one, whose parts are called one by one."""
    kinds = [(module, type(module)) for module in model.modules()]
    unfuse(model)
    try:
        yield
    finally:
        for module, kind in kinds:
            module.__class__ = kind


def _turned(modules: Iterable[nn.Module], table: dict[type[nn.Module], type[nn.Module]]) -> int:
    found = [module for module in modules if type(module) in table]
    for module in found:
        module.__class__ = table[type(module)]
    return len(found)
