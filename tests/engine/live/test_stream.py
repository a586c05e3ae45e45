"""Live labels: the last is what the recording as a whole is taken for; people, gaps and damage on the way."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import predict
from engine.live.frames import lines_of, read_frame
from engine.live.stream import Live, run_stream
from engine.live.track import Tracker
from engine.live.window import GAP, Window
from engine.predictor import Prediction, Predictor
from errors import InputError

V = 17


def walk(frames: int, start: float = 0.0, seed: int = 0) -> np.ndarray:
    """A body (T, V, 3) that sways and drifts, away from the origin; rounded, as JSON has it."""
    rng = np.random.default_rng(seed)
    rest, phase = rng.normal(0, 0.5, (V, 3)), rng.uniform(0, 6, (V, 3))
    time = np.arange(frames)[:, None, None]
    return np.round(5 + start + rest + 0.1 * np.sin(time / 5 + phase) + 0.002 * time, 4)


def frames_of(*people: np.ndarray, first: int = 0, ids: bool = True) -> list[dict[str, Any]]:
    """The frames of people (T, V, D), NaN where somebody is not there."""
    found = []
    for number in range(len(people[0])):
        there = [(place, body[number]) for place, body in enumerate(people) if not np.isnan(body[number]).any()]
        bodies = [{"joints": pose.tolist(), **({"id": place} if ids else {})} for place, pose in there]
        found.append({"t": first + number, "bodies": bodies})
    return found


@pytest.fixture(scope="module")
def predictor(saved: Any, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    path: Path = saved(tmp_path_factory.mktemp("live"), "dgstgcn", "coco-17", 2)
    return Predictor.load([path])


class Told:
    """Stands for a predictor: says what it is told, call by call, and keeps the clips it was given."""

    names = ("run", "jump", "sit")

    def __init__(self, shares: Sequence[Sequence[float]] = ((0.6, 0.3, 0.1),), keeps: bool = True) -> None:
        self.shares, self.keeps, self.clips = shares, keeps, list[np.ndarray]()
        facts = {"joints": V, "bodies": 2, "dims": 3, "lineage": "own", "channels": 3}
        self.streams = [type("Stream", (), {"facts": facts, "takes": {}})()]
        self.calls = 0

    def __call__(self, clip: np.ndarray, name: str) -> Prediction:
        shares = np.array(self.shares[min(self.calls, len(self.shares) - 1)])
        self.calls += 1
        if self.keeps:
            self.clips.append(clip)
        return Prediction(self.names, shares, np.log(shares)[None])


def live(told: Any, **settings: Any) -> Live:
    return Live(told, **settings)


@pytest.mark.parametrize("frames", [15, 40, 300])
def test_the_last_prediction_is_that_of_the_recording(predictor: Predictor, tmp_path: Path, frames: int) -> None:
    people = [walk(frames), walk(frames, 4, seed=1)]
    np.save(tmp_path / "whole.npy", np.stack(people, axis=1))
    wanted = predictor(tmp_path / "whole.npy")
    watching = live(predictor)
    said = list(watching.labels(json.dumps(frame) for frame in frames_of(*people)))
    found = watching.prediction()
    assert found is not None
    np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=1e-6)
    assert said[-1]["frame"] == frames - 1
    assert [row["class"] for row in said[-1]["top"]] == [name for name, _ in wanted.top(5)]
    assert len(said) == -(-frames // 15)


def test_no_label_before_enough_was_seen() -> None:
    told = Told()
    said = list(live(told, hop=5, min_frames=12).labels(frames_of(walk(30))))
    assert [row["label"] for row in said] == [None, None, "run", "run", "run", "run"]
    assert [clip.shape[1] for clip in told.clips] == [15, 20, 25, 30]  # never filled up with nothing
    assert all(clip.any(axis=(0, 2, 3)).all() for clip in told.clips)


def test_a_second_person_comes_and_goes() -> None:
    one, other = walk(60), walk(60, 4, seed=1)
    other[:20], other[35:] = np.nan, np.nan
    told = Told()
    said = list(live(told, hop=10, min_frames=1, window=30).labels(frames_of(one, other, ids=False)))
    assert [row["bodies"] for row in said] == [1, 1, 2, 1, 1, 1]
    there = [clip.any(axis=(0, 2)).sum(axis=0).tolist() for clip in told.clips]  # frames of each body
    assert there == [[10, 0], [20, 0], [30, 10], [30, 15], [30, 15], [30, 5]]
    np.testing.assert_allclose(told.clips[3][:, :, :, 0], one[10:40].transpose(2, 0, 1), rtol=1e-6)


@pytest.mark.parametrize("kind", ["swapped", "same", "none", "turned"])
def test_bodies_are_followed_by_where_they_are(kind: str) -> None:
    frames = frames_of(walk(40), walk(40, 4, seed=1))
    for frame in frames[20:]:
        first, second = frame["bodies"]
        if kind == "swapped":
            first["id"], second["id"] = second["id"], first["id"]
        if kind == "turned":
            frame["bodies"] = [second, first]
    for frame in frames:
        for body in frame["bodies"]:
            body["id"] = {"same": 7, "none": None}.get(kind, body["id"])
    told = Told()
    list(live(told, hop=40).labels(frames))
    for place, person in enumerate((walk(40), walk(40, 4, seed=1))):
        np.testing.assert_allclose(told.clips[-1][..., place], person.transpose(2, 0, 1), rtol=1e-6)


def test_an_id_leads_back_who_jumped_and_nobody_else() -> None:
    tracker = Tracker()
    assert tracker.follow(0, [walk(1)[0]], ["a"]) == [0]
    assert tracker.follow(1, [walk(1, 50)[0]], ["a"]) == [0]
    assert tracker.follow(2, [walk(1, 90)[0]], ["b"]) == [1]
    assert tracker.follow(40, [walk(1, 90)[0]], ["b"]) == [2]  # gone for too long
    assert len(tracker.bodies) == 1


def test_of_three_the_two_that_move_most_are_kept() -> None:
    still = np.repeat(walk(1, 20, seed=2), 40, axis=0)
    told = Told()
    list(live(told, hop=40).labels(frames_of(still, walk(40), walk(40, 4, seed=1), ids=False)))
    np.testing.assert_allclose(told.clips[-1][..., 0], walk(40).transpose(2, 0, 1), rtol=1e-6)
    np.testing.assert_allclose(told.clips[-1][..., 1], walk(40, 4, seed=1).transpose(2, 0, 1), rtol=1e-6)


def test_missing_late_and_repeated_frames() -> None:
    frames = frames_of(walk(40), ids=False)
    order = [*range(10), *range(13, 20), 11, 11, 5, *range(20, 40)]  # 10 and 12 never come, 11 comes late
    told = Told()
    watching = live(told, hop=40, min_frames=1)
    list(watching.labels(frames[place] for place in order))
    counts = watching._frames.counts
    assert {key: counts[key] for key in ("frames", "missing", "late", "repeated", "too late", "cuts")} == {
        **{"frames": 37, "missing": 3, "late": 1, "repeated": 2, "too late": 0, "cuts": 0}
    }
    clip = told.clips[-1][..., 0]
    wanted = walk(40)[[*range(10), 9, 11, 9, *range(13, 40)]]  # the pose before is held
    np.testing.assert_allclose(clip, wanted.transpose(2, 0, 1), rtol=1e-6)
    said = watching.summary()
    assert "3 missing" in said
    assert "1 late" in said
    assert "2 repeated" in said


def test_a_long_gap_begins_anew_and_what_is_long_past_is_left_out() -> None:
    frames = frames_of(walk(40), ids=False) + frames_of(walk(20), first=40 + GAP + 1, ids=False)
    watching = live(Told(), hop=10, min_frames=1)
    list(watching.labels(frames))
    assert watching._frames.counts["cuts"] == 1
    assert len(watching._frames.rows) == 20
    list(watching.labels(frames_of(walk(1), first=3)))
    assert watching._frames.counts["too late"] == 1


def test_the_label_stays_until_another_is_clearly_ahead_or_stays_ahead() -> None:
    shares = [(0.6, 0.3, 0.1), (0.45, 0.5, 0.05), (0.6, 0.3, 0.1), *[(0.45, 0.5, 0.05)] * 3, (0.1, 0.2, 0.7)]
    said = list(live(Told(shares), hop=5, min_frames=1).labels(frames_of(walk(35))))
    assert [row["label"] for row in said] == ["run", "run", "run", "run", "run", "jump", "sit"]


def test_nobody_is_no_label() -> None:
    nobody = [{"t": number, "bodies": []} for number in range(30)]
    assert [row["label"] for row in live(Told(), hop=10, min_frames=1).labels(nobody)] == [None] * 3


DAMAGED = [
    ("{", "not a line of JSON"),
    ("[" * 10_000, "not a line of JSON"),
    ("3", 'wanted {"t"'),
    ('{"t": 1}', 'wanted {"t"'),
    ('{"t": 0.5, "bodies": []}', "say --fps"),
    ('{"t": "now", "bodies": []}', "t is 'now'"),
    ('{"t": NaN, "bodies": []}', "t is 'nan'"),
    (f'{{"t": 1{"0" * 400}, "bodies": []}}', f"t is 1{'0' * 39}, wanted the number of a frame"),
    ('{"t": -Infinity, "bodies": []}', "t is -inf, wanted the number of a frame"),
    ('{"t": 1712345679099, "bodies": []}', "or, with --fps, seconds, at most 1e+12"),
    ('{"bodies": [3]}', "body 0: wanted"),
    ('{"bodies": [{"joints": [[1, 2, 3]]}]}', "1 joints, wanted 17"),
    (json.dumps({"bodies": [{"joints": [[1, 2]] * V}]}), "joints of 2 numbers, wanted 3"),
    (json.dumps({"bodies": [{"joints": [[1, 2, 3], *[[1, 2]] * 16]}]}), "of as many numbers each"),
    (json.dumps({"bodies": [{"joints": [["a", 2, 3]] * V}]}), "of as many numbers each"),
    (json.dumps({"bodies": [{"joints": [[1, 2, float("inf")]] * V}]}), "a number is not finite"),
    (json.dumps({"bodies": [{"joints": [[1, 2, 3]] * V, "id": [1]}]}), "an id is a number or a word"),
    (json.dumps({"bodies": [{"joints": [[1, 2, 3]] * V}] * 65}), "65 bodies, wanted at most 64"),
    (json.dumps({"bodies": []}) + " " * 2**21, "not a line of JSON: '.a line of more than 1048576 bytes"),
]


@pytest.mark.parametrize(("line", "says"), DAMAGED[:-1])
def test_a_damaged_frame_is_a_sentence(line: str, says: str) -> None:
    with pytest.raises(InputError) as raised:
        read_frame(line, V, 3, None)
    assert says in str(raised.value)


def test_damaged_lines_are_named_and_the_rest_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    good = [json.dumps(frame) for frame in frames_of(walk(30))]
    lines = [*good[:10], *(line for line, _ in DAMAGED), "", *good[10:]]
    told = Told()
    text = "\n".join(lines).encode().replace(b'{"t": 20', b'\xff{"t": 20')
    assert run_stream(live(told), io.BytesIO(text)) == 1
    out, err = capsys.readouterr()
    assert [json.loads(line)["label"] for line in out.splitlines()] == ["run", "run"]
    walked = walk(30)
    walked[20] = walked[19]  # whose line was damaged
    np.testing.assert_allclose(told.clips[-1][..., 0], walked.transpose(2, 0, 1), rtol=1e-6)
    assert "frame 11 of the stream: not a line of JSON: '{'" in err
    assert f"29 frames, 2 labels, 1 missing (the pose before held), {len(DAMAGED) + 1} damaged" in err


def test_a_line_that_is_not_utf_8_is_said() -> None:
    assert list(lines_of(io.BytesIO(b'\xff{}\n{"t": "\xc3\xa4"}\n'))) == ["(a line that is not UTF-8)", '{"t": "ä"}\n']


def test_joints_that_were_not_seen() -> None:
    joints: list[Any] = [[1.0, 2.0, 0.9]] * V
    joints[3], joints[4] = None, [5.0, 6.0, 0.0]
    frame = read_frame({"t": 2.5, "bodies": [{"joints": joints}, {"joints": [None] * V}]}, V, 2, 30)
    assert frame.number == 75
    assert len(frame.poses) == 1
    assert not frame.poses[0][3:5].any()
    assert frame.scores[0] is not None
    assert frame.scores[0].tolist() == [0.9] * 3 + [0.0] * 2 + [0.9] * 12


def test_frames_without_a_time_are_the_next() -> None:
    window = Window(5)
    for frame in frames_of(walk(8)):
        window.add(read_frame({"bodies": frame["bodies"]}, V, 3, None))
    assert [row.number for row in window.rows] == [3, 4, 5, 6, 7]


def test_the_command(
    saved: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = str(saved(tmp_path, "dgstgcn", "coco-17", 2))
    lines = "\n".join(json.dumps(frame) for frame in frames_of(walk(40)))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    assert predict.run(["--weights", weights, "--stream", "--hop", "20", "--top", "2"]) == 0
    out, err = capsys.readouterr()
    said = [json.loads(line) for line in out.splitlines()]
    assert [(row["frame"], len(row["top"])) for row in said] == [(19, 2), (39, 2)]
    assert err.splitlines()[-1] == "40 frames, 2 labels"
    for flags, says in (
        (["a.npy", "--stream"], "name no clips"),
        ([], "name at least one clip, or --stream"),
        (["--stream", "--fps", "0"], "wanted frames a second"),
        (["--stream", "--window", "10"], "--min-frames 15 is more than --window 10 ever holds"),
    ):
        with pytest.raises(InputError, match=says):
            predict.run([*flags, "--weights", weights])


def grown(frames: int) -> int:
    """By how many bytes memory grows over so many frames with people who come and go, once a window is full."""
    people = [walk(50, 4 * place, seed=place).tolist() for place in range(2)]

    def made() -> Iterator[dict[str, Any]]:
        for number in range(frames):
            there = [body[number % 50] for place, body in enumerate(people) if (number // (7 + place)) % 3]
            yield {"t": number, "bodies": [{"joints": pose, "id": str(number)} for pose in there]}

    watching = live(Told(keeps=False), hop=60)
    labels = iter(watching.labels(made()))
    for _ in range(10):
        next(labels)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in labels:
        pass
    growth = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(watching._frames.rows) == 300
    return growth


def test_memory_is_constant_over_20_000_frames() -> None:
    assert grown(20_000) < 8e6  # a window of 300 frames of 2 bodies is half a megabyte


@pytest.mark.campaign
def test_memory_is_constant_over_216_000_frames() -> None:
    assert grown(216_000) < 8e6
