"""What scores are judged by, against definitions written out and figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.scoring.metrics import (
    bootstrap_interval,
    calibration_error,
    class_accuracies,
    confusion_matrix,
    mean_class_accuracy,
    top_k_accuracy,
)

LABELS = np.array([2, 0, 3])
LOGITS = np.array([[0.1, 0.2, 0.9, 0.0], [0.5, 0.1, 0.4, 0.0], [1.0, 0.0, 0.5, 0.9]], dtype=np.float32)


def test_accuracy_by_hand() -> None:
    assert top_k_accuracy(LOGITS, LABELS, 1) == pytest.approx(2 / 3)
    assert top_k_accuracy(LOGITS, LABELS, 2) == 1.0
    assert top_k_accuracy(LOGITS, np.array([0, 3, 1]), 2) == 0.0
    assert top_k_accuracy(LOGITS, np.array([0, 3, 1]), 99) == 1.0


def test_of_equal_scores_the_first_class_counts_as_argmax_has_it() -> None:
    ties = np.array([[1, 1, 0], [0, 1, 1], [2, 2, 2]], dtype=np.float32)
    for k in (1, 2, 3):
        found = [top_k_accuracy(ties, np.full(3, label), k) for label in range(3)]
        ranks = np.argsort(-ties, axis=1, kind="stable")[:, :k]
        assert found == [(ranks == label).any(axis=1).mean() for label in range(3)]
    assert top_k_accuracy(ties, ties.argmax(axis=1), 1) == 1


def test_scores_that_are_no_numbers_are_never_right() -> None:
    rows = np.array([[np.nan, np.nan, np.nan], [np.nan, 1, 0]], dtype=np.float32)
    assert [top_k_accuracy(rows, np.array([0, 1]), k) for k in (1, 2)] == [0.0, 0.5]


def test_more_rows_than_are_worked_on_at_a_time() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(20_000, 7)).astype(np.float32), rng.integers(0, 7, 20_000)
    ranks = (logits > logits[np.arange(20_000), labels][:, None]).sum(axis=1)
    for k in (1, 3, 7):
        assert top_k_accuracy(logits, labels, k) == (ranks < k).mean()


def test_confusions_and_accuracies_of_classes_by_hand() -> None:
    labels, predicted = np.array([0, 0, 0, 1, 3]), np.array([0, 0, 1, 1, 0])
    confusion = confusion_matrix(predicted, labels, 4)
    assert confusion.tolist() == [[2, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    np.testing.assert_allclose(class_accuracies(confusion), [2 / 3, 1, np.nan, 0])
    assert mean_class_accuracy(confusion) == pytest.approx((2 / 3 + 1 + 0) / 3)  # class 2 has no clips


@given(st.integers(1, 40), st.integers(0, 2**32))
def test_confusions_add_up(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, predicted = rng.integers(0, 5, count), rng.integers(0, 5, count)
    confusion = confusion_matrix(predicted, labels, 5)
    assert confusion.sum() == count
    assert confusion.trace() == (labels == predicted).sum()
    recalls = [(predicted[labels == c] == c).mean() for c in set(labels.tolist())]
    assert mean_class_accuracy(confusion) == pytest.approx(np.mean(recalls))


def binned(probabilities: np.ndarray, labels: np.ndarray, bins: int) -> float:
    """Equation 3 of Guo et al., bin by bin."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    total = 0.0
    for number in range(bins):
        inside = (confidence > number / bins) & (confidence <= (number + 1) / bins)
        if inside.any():
            total += inside.sum() / len(labels) * abs(right[inside].mean() - confidence[inside].mean())
    return total


@given(st.integers(1, 200), st.integers(0, 2**32))
def test_calibration_error_is_that_of_its_bins(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities, labels = rng.dirichlet(np.full(6, 0.3), count), rng.integers(0, 6, count)
    assert calibration_error(probabilities, labels) == pytest.approx(binned(probabilities, labels, 15), abs=1e-12)


def test_calibration_error_by_hand() -> None:
    sure, unsure = [1.0, 0.0], [0.4, 0.6]
    assert calibration_error(np.array([sure, sure]), np.array([0, 0])) == 0
    assert calibration_error(np.array([sure, sure]), np.array([1, 1])) == 1
    assert calibration_error(np.array([sure, sure, unsure, unsure]), np.array([0, 0, 1, 0])) == pytest.approx(0.05)


def resampled(values: np.ndarray, seed: int) -> tuple[float, float]:
    """The bootstrap as it is usually written: clips drawn one by one."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (10_000, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.parametrize("kinds", [[0, 1], [-1, 0, 1]])
def test_the_interval_is_that_of_resampling(kinds: list[int]) -> None:
    values = np.random.default_rng(0).choice(kinds, 300, p=np.arange(1, len(kinds) + 1) / sum(range(len(kinds) + 1)))
    found = bootstrap_interval(values, seed=1)
    np.testing.assert_allclose(found, resampled(values, 2), atol=0.01)
    assert found == bootstrap_interval(values, seed=1)
    assert found[0] < values.mean() < found[1]


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for seed in range(400):
        low, high = bootstrap_interval(rng.random(500) < 0.8, seed=seed, draws=1000)
        covered += low <= 0.8 <= high
    assert 0.91 <= covered / 400 <= 0.98


@settings(max_examples=20)
@given(st.integers(1, 50))
def test_no_doubt_no_width(count: int) -> None:
    assert bootstrap_interval(np.ones(count), seed=0) == (1, 1)
