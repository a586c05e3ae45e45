"""Labels and splits of one's own recordings: read, divided evenly and repeatably, refused in a sentence."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_gen.own_labels import Division, Labels, divide, missing_sentences, read_labels, training_and_test
from errors import InputError

HERE = Path("labels.csv")


def table(labels: list[int], subjects: list[str] | None = None, splits: list[str] | None = None) -> Labels:
    names = [f"clip{number}" for number in range(len(labels))]
    return Labels(names, labels, [str(label) for label in range(max(labels) + 1)], subjects, splits)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_names_are_numbered_in_the_order_of_the_alphabet(tmp_path: Path) -> None:
    found = read_labels(written(tmp_path, '\ufeffname,subject,label\n a , s1,wave\nb,s2,"kick, high"\n\nc,s1,wave\n'))
    assert found == Labels(["a", "b", "c"], [1, 0, 1], ["kick, high", "wave"], ["s1", "s2", "s1"], None)


def test_other_columns_are_not_used(tmp_path: Path) -> None:
    found = read_labels(written(tmp_path, ",name,object,label,frame\n0,a,2,wave,7\n1,b,,kick,\n"))
    assert found == Labels(["a", "b"], [1, 0], ["kick", "wave"], None, None, ("", "object", "frame"))
    assert found.only(["b"]).unused == found.unused


def test_numbers_are_classes_counted_from_0(tmp_path: Path) -> None:
    found = read_labels(
        written(tmp_path, "name,label,split\na,10,train\nb,0,\n" + "".join(f"c{n},{n},x\n" for n in range(10)))
    )
    assert (found.labels[:3], found.class_names) == ([10, 0, 0], [str(n) for n in range(11)])
    assert found.splits is not None
    assert found.splits[:3] == ["train", "", "x"]


def test_classes_come_from_a_file(tmp_path: Path) -> None:
    classes = tmp_path / "classes.txt"
    classes.write_text("wave\n\nkick\nsit\n")
    by_name = read_labels(written(tmp_path, "name,label\na,kick\nb,wave\n"), classes)
    assert (by_name.labels, by_name.class_names) == ([1, 0], ["wave", "kick", "sit"])
    assert read_labels(written(tmp_path, "name,label\na,1\nb,0\n"), classes) == by_name
    classes.write_text("10\n2\n")  # names that look like numbers are names
    assert read_labels(written(tmp_path, "name,label\na,2\nb,10\n"), classes).labels == [1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file"),
        ("", "wanted a header and a row for each recording"),
        ("name,label\n", "wanted a header and a row"),
        ("name,lable\na,x\n", "there is no column 'label', but 'name', 'lable'"),
        ("name,label,label\na,x,x\n", "the column 'label' is there twice"),
        ("name,subject\na,x\n", "there is no column 'label', but 'name', 'subject'"),
        ("name,label,Subject\na,x,s\n", "there is no column 'subject', but 'name', 'label', 'Subject'"),
        ("name,label,splits\na,x,s\n", "there is no column 'split', but 'name', 'label', 'splits'"),
        ("label\nx\n", "there is no column 'name'"),
        ("name,label\na,x\nb\n", "line 3 has 1 cells, the header 2"),
        ("name,label\na,x\n\nb,\nc,\n", "2 rows have no label, the first is in line 4"),
        ("name,label\na,x\n,y\n", "1 rows have no name, the first is in line 3"),
        ("name,label,subject\na,x,\n", "1 rows have no subject, the first is in line 2"),
        ("name,label\na,x\nb,x\na,y\nb,x\nc,x\n", "2 recordings (a, b) are there more than once"),
        ("name,label\na,1\nb,2\n", "labels are numbers up to 2, and none is 0; they count from 0"),
        ("name,label\na,x\nb,x\n", "'x' is the only class, and there is nothing to tell apart"),
        ("name,label,split\na,x,../up\n", "split '../up'; letters, digits, _ and -"),
        ('name,label\na,"two\nlines"\n', "a class's name is one line"),
        ('name,label\na,"x\n', "not readable as CSV"),
    ],
)  # fmt: skip
def test_labels_that_are_none_are_refused(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "labels.csv" if text is None else written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_labels(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_a_class_that_the_file_has_not_is_refused(tmp_path: Path) -> None:
    classes = tmp_path / "classes.txt"
    classes.write_text("wave\nkick\n")
    with pytest.raises(InputError, match=r"has no class 'wafe'; did you mean 'wave'\?"):
        read_labels(written(tmp_path, "name,label\na,wafe\n"), classes)
    with pytest.raises(InputError, match=r"class 2, and .*classes.txt has 2, counted from 0"):
        read_labels(written(tmp_path, "name,label\na,2\n"), classes)
    classes.write_text("wave\nwave\n")
    with pytest.raises(InputError, match="a class is there twice"):
        read_labels(written(tmp_path, "name,label\na,wave\n"), classes)


labels_and_subjects = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=2, max_size=60).filter(
    lambda rows: max(Counter(label for label, _ in rows).values()) > 1 and len({subject for _, subject in rows}) > 1
)


@given(rows=labels_and_subjects, share=st.floats(0.01, 0.99), seed=st.integers(0, 2**32))
def test_a_share_of_every_class(rows: list[tuple[int, int]], share: float, seed: int) -> None:
    labels = [label for label, _ in rows]
    splits = divide(table(labels), Division(test_share=share, seed=seed), HERE)
    assert splits == divide(table(labels), Division(test_share=share, seed=seed), HERE)
    for label in set(labels):
        mine = [split for split, one in zip(splits, labels, strict=True) if one == label]
        if len(mine) == 1:
            assert mine == ["train"]
        else:
            assert set(mine) == {"train", "test"}
            assert abs(mine.count("test") - share * len(mine)) <= 1


@given(rows=labels_and_subjects, share=st.floats(0.01, 0.99), seed=st.integers(0, 2**32))
def test_a_share_of_the_subjects_puts_nobody_on_both_sides(
    rows: list[tuple[int, int]], share: float, seed: int
) -> None:
    subjects = [f"s{subject}" for _, subject in rows]
    division = Division(test_share=share, seed=seed, by_subject=True)
    splits = divide(table([label for label, _ in rows], subjects), division, HERE)
    sides = {side: {s for s, one in zip(subjects, splits, strict=True) if one == side} for side in ("train", "test")}
    assert sides["train"] and sides["test"]
    assert not sides["train"] & sides["test"]
    assert splits == divide(table([label for label, _ in rows], subjects), division, HERE)
    largest = max(Counter(subjects).values())
    assert abs(splits.count("test") - share * len(rows)) <= largest


def test_lists_and_subjects_may_name_what_is_in_the_file_alone(tmp_path: Path) -> None:
    """Recordings that --allow-missing leaves out."""
    everybody = table([0, 1, 0, 1], ["1", "2", "3", "2"])
    kept = everybody.only(["clip0", "clip3"])
    (tmp_path / "test.txt").write_text("clip2\nclip3\n")
    for division in (Division(test_list=tmp_path / "test.txt"), Division(test_subjects=["2", "3"])):
        assert divide(kept, division, HERE, everybody) == ["train", "test"]
        with pytest.raises(InputError, match=r"are not in labels\.csv|has no subject '3'"):
            divide(kept, division, HERE)


def test_long_lists_take_no_time(tmp_path: Path) -> None:
    count = 50_000
    everybody = table([number % 2 for number in range(count)])
    (tmp_path / "test.txt").write_text("\n".join(everybody.names[::2]))
    began = time.perf_counter()
    assert divide(everybody, Division(test_list=tmp_path / "test.txt"), HERE).count("test") == count // 2
    (sentence,) = missing_sentences(everybody, everybody.names[::2], HERE, Path("poses"))
    assert sentence.startswith(f"{count // 2} labels (clip1, clip3, clip5, ...) of labels.csv have no recording")
    assert time.perf_counter() - began < 5


def test_names_with_an_ending_are_told() -> None:
    sentence = missing_sentences(Labels(["a.json"], [0], ["x", "y"], None, None), ["a"], HERE, Path("poses"))[1]
    assert sentence.endswith("have no recording in poses; names go without the ending")


def test_another_seed_divides_otherwise() -> None:
    labels = [number % 3 for number in range(60)]
    assert len({tuple(divide(table(labels), Division(test_share=0.3, seed=seed), HERE)) for seed in range(5)}) == 5


def test_subjects_and_lists_say_who_is_tested(tmp_path: Path) -> None:
    people = table([0, 1, 0, 1], ["1", "2", "3", "2"])
    assert divide(people, Division(test_subjects=["2", "3"]), HERE) == ["train", "test", "test", "test"]
    (tmp_path / "test.txt").write_text("clip3\n\nclip0\n")
    assert divide(people, Division(test_list=tmp_path / "test.txt"), HERE) == ["test", "train", "train", "test"]
    assert divide(table([0, 1], splits=["train", ""]), Division(), HERE) == ["train", ""]


@pytest.mark.parametrize(
    ("given_table", "division", "message"),
    [
        ({}, {}, "nothing says it; one of a column split, --test-subjects, --test-list, --test-share does"),
        ({}, {"test_share": 0.5, "test_subjects": ["1"]}, "--test-subjects and --test-share both say it"),
        ({"splits": ["a", "b"]}, {"test_share": 0.5}, "the column split of labels.csv and --test-share both say it"),
        ({}, {"test_subjects": ["1"]}, "labels.csv has no column subject"),
        ({"subjects": ["1", "2"]}, {"test_subjects": ["3"]}, "labels.csv has no subject '3', only 1, 2"),
        ({"subjects": ["1", "2"]}, {"test_subjects": ["2", "1"]}, "all 2 recordings are on one side, test"),
        ({}, {"test_share": 0.5, "by_subject": True}, "--by-subject goes with --test-share and a column subject"),
        ({"subjects": ["1", "1"]}, {"test_share": 0.5, "by_subject": True}, "labels.csv has one subject"),
        ({}, {"test_share": 0.5}, "all 2 recordings are on one side, train"),
    ],
)  # fmt: skip
def test_divisions_that_are_none_are_refused(given_table: Any, division: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        divide(table([0, 1], **given_table), Division(**division), HERE)
    assert message in str(caught.value)


def test_a_list_of_unknown_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test.txt").write_text("clip1\nx1\nx2\nx3\nx4\n")
    with pytest.raises(InputError, match=r"4 names \(x1, x2, x3, ...\) are not in labels.csv"):
        divide(table([0, 1]), Division(test_list=tmp_path / "test.txt"), HERE)
    with pytest.raises(InputError, match="No such file"):
        divide(table([0, 1]), Division(test_list=tmp_path / "absent.txt"), HERE)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train", "test"], ("train", "test")),
        (["val", "test", "train", ""], ("train", "val")),
        (["xsub_val", "xsub_train"], ("xsub_train", "xsub_val")),
        (["train"], None),
        (["test"], None),
        (["a_train", "b_train", "val"], None),
        (["training", "testing"], None),
    ],
)
def test_the_two_sides_are_known_by_their_names(names: list[str], expected: tuple[str, str] | None) -> None:
    if expected:
        assert training_and_test(names) == expected
    else:
        with pytest.raises(InputError, match="wanted one called train and one called val or test"):
            training_and_test(names)


def test_what_has_no_counterpart_is_counted_and_named() -> None:
    found = missing_sentences(table([0] * 3), ["clip0", "x", "y", "z", "w"], HERE, Path("poses"))
    assert found == [
        "4 recordings (w, x, y, ...) of poses have no label in labels.csv",
        "2 labels (clip1, clip2) of labels.csv have no recording in poses",
    ]
    assert missing_sentences(table([0] * 3), ["clip2", "clip1", "clip0"], HERE, Path("poses")) == []


def test_only_what_is_held_is_kept() -> None:
    kept = table([0, 1, 2], ["a", "b", "c"], ["x", "y", "z"]).only(["clip2", "clip0", "more"])
    assert kept == Labels(["clip0", "clip2"], [0, 2], ["0", "1", "2"], ["a", "c"], ["x", "z"])
