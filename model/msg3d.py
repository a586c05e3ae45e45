"""MS-G3D (Liu et al., CVPR 2020): disentangled multi-scale graph convolution and G3D, in three blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from graph.build import build_graph
from model.ms_g3d import MultiWindowG3D
from model.ms_gcn import MultiScaleAggregation, MultiScaleGraphConv
from model.ms_tcn import MultiScaleTemporalConv
from model.outline import outline


class Model(nn.Module):
    """The published network, state-dict keys included (figure 3 of the paper).

    Each of the three blocks runs two pathways on the same input and adds them: the factorised one (spatial MS-GCN,
    then two MS-TCN) sees far in space and in time but one after the other; G3D sees both at once in short windows.

    Args:
        num_class: classes to tell apart.
        num_point: joints V of a body; must be those of ``graph``.
        num_person: bodies M of a clip.
        num_gcn_scales: hop distances K of the spatial pathway.
        num_g3d_scales: hop distances K of the G3D pathway.
        graph: dotted path of a graph class with ``A_binary`` (V, V), such as ``graph.ntu_rgb_d.AdjMatrixGraph``.
        in_channels: channels C of a clip (3 in all published weights).
        graph_args: arguments of the graph class.
        widths: channels of the three blocks; the published ones by default.
        graph_normalization: of the fixed graphs: ``symmetric``, or ``random_walk`` as in pyskl's MS-G3D.

    Shapes: (N, C, T, V, M) -> logits (N, num_class). T is free; blocks 2 and 3 halve it.

    Raises:
        InputError: ``graph`` cannot be imported or has another number of joints.
    """

    def __init__(
        self,
        num_class: int,
        num_point: int,
        num_person: int,
        num_gcn_scales: int,
        num_g3d_scales: int,
        graph: str,
        in_channels: int = 3,
        graph_args: Mapping[str, Any] | None = None,
        widths: tuple[int, int, int] = (96, 192, 384),
        graph_normalization: str = "symmetric",
    ) -> None:
        super().__init__()
        a = build_graph(graph, graph_args, num_point).binary
        c1, c2, c3 = widths
        how = graph_normalization

        def pathway(width_in: int, width: int, width_out: int, stride: int) -> nn.Sequential:
            return nn.Sequential(
                MultiScaleGraphConv(width_in, width, a, num_gcn_scales, normalization=how),
                MultiScaleTemporalConv(width, width_out, stride=stride),
                MultiScaleTemporalConv(width_out, width_out, activation=False),
            )

        self.data_bn = nn.BatchNorm1d(num_person * num_point * in_channels)

        self.gcn3d1 = MultiWindowG3D(in_channels, c1, a, num_g3d_scales, hidden_channels=c1, normalization=how)
        self.sgcn1 = pathway(in_channels, c1, c1, stride=1)
        self.tcn1 = MultiScaleTemporalConv(c1, c1)

        self.gcn3d2 = MultiWindowG3D(c1, c2, a, num_g3d_scales, stride=2, normalization=how)
        self.sgcn2 = pathway(c1, c1, c2, stride=2)
        self.tcn2 = MultiScaleTemporalConv(c2, c2)

        self.gcn3d3 = MultiWindowG3D(c2, c3, a, num_g3d_scales, stride=2, normalization=how)
        self.sgcn3 = pathway(c2, c2, c3, stride=2)
        self.tcn3 = MultiScaleTemporalConv(c3, c3)

        self.fc = nn.Linear(c3, num_class)
        self.built = outline(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features(self.bodies(x)), x.shape[0])

    def bodies(self, x: Tensor) -> Tensor:
        """Every body on its own, normalised: (N, C, T, V, M) -> (NM, C, T, V)."""
        n, c, t, v, m = x.shape
        x = x.permute(0, 4, 3, 1, 2).reshape(n, m * v * c, t)  # -> (N, MVC, T): what BatchNorm sees
        x = self.data_bn(x)
        return x.view(n * m, v, c, t).permute(0, 2, 3, 1).contiguous()

    def features(self, x: Tensor) -> Tensor:
        """The three blocks, and the mean over frames and joints: (NM, C, T, V) -> (NM, c3)."""
        x = self.tcn1(F.relu(self.sgcn1(x) + self.gcn3d1(x)))
        x = self.tcn2(F.relu(self.sgcn2(x) + self.gcn3d2(x)))
        x = self.tcn3(F.relu(self.sgcn3(x) + self.gcn3d3(x)))
        return x.mean(dim=(2, 3))

    def classify(self, x: Tensor, clips: int) -> Tensor:
        """The mean over the bodies of each of ``clips`` clips, classified: (NM, c3) -> logits (N, num_class)."""
        return self.fc(x.view(clips, -1, x.shape[1]).mean(dim=1))

    def graphs(self) -> dict[str, Tensor]:
        """The adjacencies in use (fixed plus learned) by module name, each (K, V, V); V counts a window's joints."""
        return {
            name: module.adjacency().detach()
            for name, module in self.named_modules()
            if isinstance(module, MultiScaleAggregation)
        }
