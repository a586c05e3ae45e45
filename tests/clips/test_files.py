"""Files appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from clips.files import atomic_path, atomic_write, write_text


def test_a_file_appears_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.bin"
    with atomic_write(path) as file:
        file.write(b"all of it")
    assert path.read_bytes() == b"all of it"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_no_other(error: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path) as file:
        file.write(b"half of the new")
        file.flush()
        raise error
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_no_file_where_there_was_none(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_write(tmp_path / "file.bin") as file:
        file.write(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_readers_see_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with open(path, "rb") as reader:
        with atomic_write(path) as file:
            for _ in range(3):
                file.write(b"new" * 10_000)
                file.flush()
                assert path.read_bytes() == b"old"
        assert path.read_bytes() == b"new" * 30_000
        assert reader.read() == b"old"  # whoever had it open reads on in the old one


def test_text_is_written_as_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "note.txt", "größer\n")
    assert (tmp_path / "note.txt").read_bytes() == "größer\n".encode()


def test_other_writers_are_given_a_path_of_the_same_suffix(tmp_path: Path) -> None:
    path = tmp_path / "new" / "clip.npy"
    with atomic_path(path) as beside:
        beside.write_bytes(b"all of it")
        assert (beside.suffix, beside.parent, path.exists()) == (".npy", path.parent, False)
    assert path.read_bytes() == b"all of it"
    with pytest.raises(RuntimeError), atomic_path(path) as beside:
        beside.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"all of it"
    assert list(path.parent.iterdir()) == [path]
