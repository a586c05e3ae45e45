from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.skeleton_tree import DAMAGES, make_recording
from clips.read.ntu import Recording, read_ntu
from clips.write.ntu import ntu_text, write_ntu
from errors import InputError


@pytest.fixture
def recording() -> Recording:
    return make_recording(np.random.default_rng(3), 20)


def plain_reading(text: str) -> Recording:
    """The format as it is described, line by line."""
    lines = iter(text.splitlines())
    frames, slots, ids, xyz = [], [], [], []
    num_frames = int(next(lines))
    for frame in range(num_frames):
        for slot in range(int(next(lines))):
            ids.append(next(lines).split()[0])
            joints = [[float(cell) for cell in next(lines).split()[:3]] for _ in range(int(next(lines)))]
            frames.append(frame)
            slots.append(slot)
            xyz.append(joints)
    return Recording(num_frames, np.array(frames), np.array(slots), tuple(ids), np.array(xyz))


def assert_same(got: Recording, want: Recording) -> None:
    assert (got.num_frames, got.body_id) == (want.num_frames, want.body_id)
    for name in ("frame", "slot", "xyz"):
        assert np.array_equal(getattr(got, name), getattr(want, name)), name


@pytest.mark.parametrize("seed", range(20))
def test_every_number_is_read_as_float_reads_it(tmp_path: Path, seed: int) -> None:
    recording = make_recording(np.random.default_rng(seed), 20)
    write_ntu(tmp_path / "a.skeleton", recording)
    got = read_ntu(tmp_path / "a.skeleton")
    assert_same(got, plain_reading((tmp_path / "a.skeleton").read_text()))
    np.testing.assert_allclose(got.xyz, recording.xyz, rtol=1e-6)
    assert got.body_id == recording.body_id


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(lambda text: text.replace("\n", " \n"), id="blanks at the ends of lines"),
        pytest.param(lambda text: text.replace(" ", "\t "), id="tabs"),
        pytest.param(lambda text: text.rstrip(), id="no newline at the end"),
        pytest.param(lambda text: text + "3\nmore\n", id="more after the last frame"),
    ],
)
def test_other_blanks_change_nothing(tmp_path: Path, recording: Recording, change) -> None:
    text = ntu_text(recording)
    (tmp_path / "a.skeleton").write_bytes(change(text).encode())
    assert_same(read_ntu(tmp_path / "a.skeleton"), plain_reading(text))


def line_of(text: str, joint: int) -> int:
    """The line, from 1, of the joint-th joint of a file."""
    return [number for number, line in enumerate(text.split("\n"), 1) if line.count(" ") == 11][joint]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("zero bytes", "the file is empty"),
        ("joint count", "24 joints in frame 1, wanted 25"),
        ("all empty", "no body in any of 40 frames"),
        ("too long", "301 frames, more than 300"),
        ("not a number", "wanted the 12 numbers of a joint, got 'nan "),
        ("cut in a frame", "the file ends"),
    ],
)
def test_damage_is_named_with_file_and_line(tmp_path: Path, recording: Recording, kind: str, message: str) -> None:
    path = tmp_path / "S001C001P001R001A001.skeleton"
    path.write_text(DAMAGES[kind](ntu_text(recording)))
    with pytest.raises(InputError) as caught:
        read_ntu(path, max_frames=300)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_the_line_is_the_right_one(tmp_path: Path, recording: Recording) -> None:
    lines = ntu_text(recording).split("\n")
    at = line_of("\n".join(lines), 30)
    for bad, problem in {
        "0.1 x 3.0 1 1 1 1 1 1 1 1 2": "wanted the 12 numbers of a joint, got '0.1 x",
        "0.1 inf 3.0 1 1 1 1 1 1 1 1 2": "wanted the 12 numbers of a joint, got '0.1 inf",
        "0.1 0.2 3.0 1 1 1": "wanted the 12 numbers of a joint, got '0.1 0.2 3.0 1 1 1'",
        "junk": "wanted the 12 numbers of a joint, got 'junk'",
        "25": "wanted the 12 numbers of a joint, got '25'",
        "": "wanted the 12 numbers of a joint, got ''",
    }.items():
        (tmp_path / "a.skeleton").write_text("\n".join([*lines[: at - 1], bad, *lines[at:]]))
        with pytest.raises(InputError, match=rf"a\.skeleton, line {at}: {problem}"):
            read_ntu(tmp_path / "a.skeleton")


@pytest.mark.parametrize("bad", ["junk", "1", "1 2"])
def test_the_line_of_a_count_or_a_body_is_the_right_one(tmp_path: Path, recording: Recording, bad: str) -> None:
    lines = ntu_text(recording).split("\n")
    body = next(number for number, line in enumerate(lines) if line.count(" ") == 9)
    for at, problem in ((body, "wanted the 10 numbers of a body"), (body + 1, "")):
        (tmp_path / "a.skeleton").write_text("\n".join([*lines[:at], bad, *lines[at + 1 :]]))
        with pytest.raises(InputError, match=rf"a\.skeleton, line {at + 1}: {problem}"):
            read_ntu(tmp_path / "a.skeleton")


@pytest.mark.parametrize("seed", range(3))
def test_a_file_cut_anywhere_is_refused_or_whole(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    text = ntu_text(make_recording(rng, 4)).encode()
    whole = plain_reading(text.decode())
    for length in sorted(rng.choice(len(text), 150)):
        (tmp_path / "a.skeleton").write_bytes(text[:length])
        try:
            got = read_ntu(tmp_path / "a.skeleton")
        except InputError:
            continue
        assert text[length:].strip(b"0\n") == b""  # only frames without a body, or the last newline, are missing
        assert_same(got, whole)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.skeleton: No such file"):
        read_ntu(tmp_path / "a.skeleton")
