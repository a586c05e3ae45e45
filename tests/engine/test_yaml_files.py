"""YAML files on top of others: what wins, where a value came from, and what is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.yaml_files import compose, merge, read_yaml
from errors import InputError


@pytest.fixture
def files(tmp_path: Path) -> Any:
    """``files(a="base: b.yaml", ...)`` writes a.yaml, ...; the first one's path."""

    def write(**texts: str) -> Path:
        for name, text in texts.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        return tmp_path / f"{next(iter(texts))}.yaml"

    return write


def test_a_file_wins_over_its_bases_and_a_later_base_over_an_earlier(files: Any) -> None:
    path = files(
        top="base: [one.yaml, two.yaml]\nbatch_size: 3",
        one="batch_size: 1\nnum_epoch: 1\nseed: 1",
        two="batch_size: 2\nnum_epoch: 2",
    )
    values, origin = compose(path)
    assert values == {"batch_size": 3, "num_epoch": 2, "seed": 1}
    assert {key: Path(source).stem for key, source in origin.items()} == {
        "batch_size": "top",
        "num_epoch": "two",
        "seed": "one",
    }


def test_mappings_merge_deep_and_lists_replace(files: Any) -> None:
    path = files(
        top="base: low.yaml\nmodel_args: {num_class: 10, graph_args: {layout: {name: mine}}}\nstep: [5]",
        low="model_args: {num_class: 60, num_point: 25, graph_args: {layout: {name: toy, n: 3}}}\nstep: [30, 40]",
    )
    values, origin = compose(path)
    assert values == {
        "model_args": {"num_class": 10, "num_point": 25, "graph_args": {"layout": {"name": "mine", "n": 3}}},
        "step": [5],
    }
    assert Path(origin["model_args.num_class"]).stem == "top"
    assert Path(origin["model_args.num_point"]).stem == "low"
    assert Path(origin["model_args.graph_args.layout.name"]).stem == "top"
    assert Path(origin["model_args.graph_args.layout.n"]).stem == "low"


def test_a_base_is_found_from_the_file_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "_base").mkdir()
    (tmp_path / "set" / "a.yaml").write_text("base: ../_base/b.yaml")
    (tmp_path / "_base" / "b.yaml").write_text("base: c.yaml")
    (tmp_path / "_base" / "c.yaml").write_text("seed: 7")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert compose("../set/a.yaml")[0] == {"seed": 7}


def test_two_bases_may_share_one(files: Any) -> None:
    path = files(top="base: [a.yaml, b.yaml]", a="base: c.yaml", b="base: c.yaml\nseed: 2", c="seed: 1")
    assert compose(path)[0] == {"seed": 2}


def test_placeholders_are_filled_in_the_bases(files: Any) -> None:
    path = files(
        top="base: mid.yaml\nwith: {set: ntu/xsub, count: 60, rates: [1, 2], kind: low}",
        mid="base: '{kind}.yaml'\nwith: {file: 'data_{set}'}\nbase_lr: 0.1",
        low=(
            "work_dir: ./work_dir/{set}/{file}\nmodel_args: {num_class: '{count}', name: 'c{count}'}\n"
            "step: '{rates}'\nignore_weights: ['{set}']"
        ),
    )
    assert compose(path)[0] == {
        "work_dir": "./work_dir/ntu/xsub/data_ntu/xsub",
        "model_args": {"num_class": 60, "name": "c60"},  # alone, a placeholder takes the value with its type
        "step": [1, 2],
        "ignore_weights": ["ntu/xsub"],
        "base_lr": 0.1,
    }


def test_a_file_fills_its_own_texts_and_the_file_above_has_the_last_word(files: Any) -> None:
    path = files(
        top="base: low.yaml\nwith: {set: ntu}", low="with: {set: kinetics, file: bone}\nwork_dir: ./{set}/{file}"
    )
    assert compose(path)[0] == {"work_dir": "./ntu/bone"}
    assert compose(path.with_name("low.yaml"))[0] == {"work_dir": "./kinetics/bone"}


def test_a_number_with_an_exponent_is_one_wherever_it_stands(files: Any) -> None:
    path = files(top="base_lr: 1e-3\nmodel_args: {rate: 1e-3, name: e3, other: -2E+4}")
    assert compose(path)[0] == {"base_lr": 1e-3, "model_args": {"rate": 1e-3, "name": "e3", "other": -2e4}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("weights: ./{set}.pt", r"weights is './\{set\}.pt', but nothing says what \{set\} is"),
        ("test_feeder_args: {data_path: '{file}'}", r"test_feeder_args.data_path is '\{file\}'"),
        ("ignore_weights: ['{part}.fc']", r"ignore_weights.0 is '\{part\}.fc'"),
        ("weights: ./{stream}.pt", r"nothing says what \{stream\} is"),
    ],
)
def test_an_unfilled_placeholder_is_refused(files: Any, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        compose(files(a="base: b.yaml", b=text))


def test_the_stream_is_filled_into_the_work_dir_later(files: Any) -> None:
    assert compose(files(a="work_dir: ./w/{stream}"))[0] == {"work_dir": "./w/{stream}"}


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ({"a": "base: a.yaml"}, "a.yaml: is its own base"),
        ({"a": "base: b.yaml", "b": "base: c.yaml", "c": "base: a.yaml"}, "a.yaml: is its own base"),
        ({"a": "base: gone.yaml"}, "gone.yaml: no such file"),
        ({"a": "base: 5"}, "'base' must be a file name or a list of them, got 5"),
        ({"a": "base: [[b.yaml]]"}, "'base' must be"),
        ({"a": "with: [set]"}, r"'with' must be a mapping of placeholder to value, got \['set'\]"),
        ({"a": "seed: 1\nnum_epoch: 2\nseed: 3"}, "a.yaml: not valid YAML: key 'seed' occurs twice"),
        ({"a": "model_args:\n  num_class: 1\n  num_class: 2"}, "key 'num_class' occurs twice"),
        ({"a": "- seed\n- 1"}, "a.yaml: wanted 'key: value' lines, got list"),
        ({"a": "just words"}, "wanted 'key: value' lines, got str"),
        ({"a": "1: 2"}, "wanted 'key: value' lines"),
        ({"a": "seed: [1"}, "a.yaml: not valid YAML"),
        ({"a": "seed: 2020-13-45"}, "a.yaml: not valid YAML: month must be"),
        ({"a": "base_lr: !!bool foo"}, "a.yaml: not valid YAML: "),
        ({"a": 'base_lr: !!int ""'}, "a.yaml: not valid YAML: "),
        ({"a": "base_lr: !!timestamp foo"}, "a.yaml: not valid YAML: "),
        ({"a": "? [1, 2]\n: 3"}, "a.yaml: not valid YAML"),
        ({"a": "model_args: &x {a: *x}"}, "a.yaml: not valid YAML: an alias stands for what holds it in .* line 1"),
        ({"a": "step: &x [1, [2, *x]]"}, "a.yaml: not valid YAML: an alias stands for what holds it"),
        ({"a": "base: b.yaml", "b": "model_args: &x {a: {b: &y [*x]}}"}, "b.yaml: not valid YAML: an alias stands"),
    ],
)
def test_bad_files_are_refused_in_one_line(files: Any, texts: dict[str, str], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        compose(files(**texts))
    assert "\n" not in str(caught.value)


def test_an_alias_of_what_is_whole_is_fine(files: Any) -> None:
    path = files(a="train_feeder_args: &x {a: &y [1]}\ntest_feeder_args: {<<: *x, b: *y}\nmodel_args: *x")
    assert compose(path)[0] == {
        "train_feeder_args": {"a": [1]},
        "test_feeder_args": {"a": [1], "b": [1]},
        "model_args": {"a": [1]},
    }


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"seed: \xff\xfe")
    for path in (tmp_path / "a.yaml", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_yaml(path)


def test_a_file_cannot_run_code(files: Any, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with pytest.raises(InputError, match="not valid YAML"):
        read_yaml(files(a=f"seed: !!python/object/apply:os.system ['touch {marker}']"))
    assert not marker.exists()


def test_an_empty_file_says_nothing(files: Any) -> None:
    assert compose(files(a="# nothing yet\n")) == ({}, {})


KEYS = st.sampled_from("abcd")
SETTINGS = st.recursive(
    st.dictionaries(KEYS, st.integers() | st.lists(st.integers(), max_size=3), max_size=4),
    lambda inner: st.dictionaries(KEYS, st.integers() | inner, max_size=4),
)


def leaves(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value, for every value that is no mapping."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def related(one: str, other: str) -> bool:
    """Whether one dotted key is the other, or lies within it."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


@given(SETTINGS, SETTINGS)
def test_merging_takes_all_of_the_new_and_keeps_what_it_does_not_touch(
    low: dict[str, Any], high: dict[str, Any]
) -> None:
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    merge(values, origin, low, "low")
    before = copy.deepcopy(high)
    merge(values, origin, high, "high")
    assert high == before
    merged, above = leaves(values), leaves(high)
    assert above.items() <= merged.items()
    assert {origin[key] for key in above} <= {"high"}
    untouched = {key: value for key, value in leaves(low).items() if not any(related(key, other) for other in above)}
    assert {key: origin[key] for key in untouched if key in merged} == dict.fromkeys(untouched.keys() & merged, "low")
    once = copy.deepcopy(values)
    merge(values, origin, high, "again")
    assert values == once
