"""Evaluation: every clip once, by name, whatever the batches; nothing is learnt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.build import build_feeder, build_model
from engine.config import make_config
from engine.data import test_batches as batches_to_test
from engine.evaluate import Evaluation, evaluate
from engine.precision import Precision
from engine.scoring.metrics import top_k_accuracy

CPU = torch.device("cpu")


@pytest.fixture
def parts(tiny: Any) -> Any:
    config = make_config(tiny.settings, {})
    return build_model(config), build_feeder(config, "test")


def scores(parts: Any, batch_size: int) -> Evaluation:
    model, feeder = parts
    batches = batches_to_test(feeder, batch_size, seed=1, num_worker=0, pin=False)
    return evaluate(model, batches, feeder.sample_name, precision=Precision(), device=CPU)


def test_every_clip_is_scored_by_name(parts: Any) -> None:
    model, feeder = parts
    found = scores(parts, 5)
    assert list(found.names) == feeder.sample_name
    assert found.labels.tolist() == feeder.label
    assert (found.logits.shape, found.logits.dtype) == ((12, 6), np.float32)
    model.eval()
    with torch.no_grad():
        alone = torch.cat([model(torch.from_numpy(feeder[i][0])[None]) for i in range(12)])
    np.testing.assert_allclose(found.logits, alone, rtol=1e-5, atol=1e-6)
    assert found.loss == pytest.approx(F.cross_entropy(alone, torch.tensor(feeder.label)).item(), rel=1e-5)
    assert found.accuracy() == (alone.argmax(1).numpy() == feeder.label).mean()
    assert found.accuracy(5) == top_k_accuracy(alone.numpy(), np.array(feeder.label), 5)
    assert found.accuracy(6) == 1.0


def test_batches_change_nothing_but_rounding(parts: Any) -> None:
    one, other = scores(parts, 12), scores(parts, 7)
    np.testing.assert_allclose(one.logits, other.logits, rtol=1e-5, atol=1e-6)
    assert one.loss == pytest.approx(other.loss, rel=1e-6)
    np.testing.assert_array_equal(scores(parts, 7).logits, other.logits)


def test_nothing_is_learnt(parts: Any, differences: Any) -> None:
    model, _ = parts
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    scores(parts, 5)
    assert differences(dict(model.state_dict()), before) == []
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())


class Echo(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


def test_names_follow_the_index_that_comes_with_a_clip() -> None:
    rows = torch.eye(3)
    batches = [
        (rows[[2, 0]], torch.tensor([2, 0]), torch.tensor([2, 0])),
        (rows[[1]], torch.tensor([0]), torch.tensor([1])),
    ]
    found = evaluate(Echo(), batches, ["a", "b", "c"], precision=Precision(), device=CPU)
    assert found.names == ["a", "b", "c"]  # in the order of the feeder, whatever that of the batches
    np.testing.assert_array_equal(found.logits, rows)
    assert found.labels.tolist() == [0, 0, 2]
    assert found.accuracy() == pytest.approx(2 / 3)


class Means(nn.Module):
    """Logits from a clip's means: linear, so that averaging probabilities is not averaging logits."""

    def forward(self, x: Tensor) -> Tensor:
        return 3 * x.mean(dim=(2, 3, 4))


def test_several_clips_of_a_recording_are_averaged_over_probabilities() -> None:
    clips = torch.randn(2, 5, 3, 4, 6, 1, generator=torch.Generator().manual_seed(0)) * 9  # (N, K, C, T, V, M)
    batches = [(clips, torch.tensor([0, 2]), torch.tensor([0, 1]))]
    found = evaluate(Means(), batches, ["a", "b"], precision=Precision(), device=CPU)
    each = torch.stack([Means()(clips[:, k]).softmax(dim=1) for k in range(5)])
    mean = each.mean(dim=0)
    np.testing.assert_allclose(torch.from_numpy(found.logits).softmax(dim=1), mean, rtol=1e-5)
    np.testing.assert_allclose(np.exp(found.logits), mean, rtol=1e-5)
    assert found.loss == pytest.approx(-(mean[0, 0].log() + mean[1, 2].log()).item() / 2, rel=1e-5)


def test_ten_equal_clips_are_one(parts: Any) -> None:
    model, feeder = parts
    one = scores(parts, 4)
    clips = torch.stack([torch.from_numpy(feeder[i][0]) for i in range(len(feeder))])
    batches = [(clips[:, None].repeat(1, 10, 1, 1, 1, 1), torch.tensor(feeder.label), torch.arange(len(feeder)))]
    sizes: list[int] = []
    hook = model.register_forward_pre_hook(lambda module, clips: sizes.append(len(clips[0])))
    ten = evaluate(model, batches, feeder.sample_name, precision=Precision(), device=CPU, at_once=50)
    hook.remove()
    assert sizes == [50, 50, 20]
    want = torch.from_numpy(one.logits).log_softmax(dim=1)
    np.testing.assert_allclose(ten.logits, want, rtol=1e-4, atol=1e-5)
