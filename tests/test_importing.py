"""Classes by dotted path: what is found, what is refused and how, and that refusing comes before importing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import feeders.feeder
import model.msg3d
from errors import InputError
from importing import OWN_PACKAGES, bind_arguments, import_class, refuse_foreign


class Takes:
    def __init__(self, needed: int, also: str, option: float = 0.5, *, named: bool = True) -> None:
        self.all = (needed, also, option, named)


class TakesAnything:
    def __init__(self, needed: int, **others: Any) -> None:
        self.all = (needed, others)


class TakesNothing:
    pass


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """``package(module, source)``: modules of a package ``users_own`` that Python finds."""
    folder = tmp_path / "users_own"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    def write(module: str, source: str) -> None:
        (folder / f"{module}.py").write_text(source, encoding="utf-8")
        importlib.invalidate_caches()

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "users_own"]:
        del sys.modules[name]


def test_own_classes() -> None:
    assert import_class("model.msg3d.Model", "model") is model.msg3d.Model
    assert import_class("feeders.feeder.Feeder", "feeder") is feeders.feeder.Feeder


def test_a_class_of_the_users(package: Callable[[str, str], None]) -> None:
    package("net", "class Net:\n    pass\n")
    assert import_class("users_own.net.Net", "model").__module__ == "users_own.net"


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("model.ms3gd.Model", "there is no module 'model.ms3gd' for 'model.ms3gd.Model'; did you mean 'model.msg3d'"),
        ("graph.ntu_rgbd.AdjMatrixGraph", "did you mean 'graph.ntu_rgb_d'"),
        ("feeder.feeder.Feeder", "there is no module 'feeder' .*did you mean 'feeders'"),
        ("msg3d.Model", "there is no module 'msg3d' for 'msg3d.Model'; did you mean 'model.msg3d'"),
        ("nowhere.at.All", "there is no module 'nowhere' for 'nowhere.at.All'"),
        ("model.msg3d.Modle", "module 'model.msg3d' has no class 'Modle'; did you mean 'Model'"),
        ("model.msg3d.Model.Inner", "there is no module 'model.msg3d.Model'"),
        ("model.msg3d.", "module 'model.msg3d' has no class ''"),
        ("model.msg3d.F", "module 'model.msg3d' has no class 'F'"),
        ("os.path.join", "module 'os.path' has no class 'join'"),
        ("math.pi", "module 'math' has no class 'pi'"),
        ("Model", "'Model' is not a dotted path such as 'model.msg3d.Model'"),
        ("", "'' is not a dotted path"),
        (".msg3d.Model", "'.msg3d.Model' is not a dotted path"),
        ("..model.msg3d.Model", "is not a dotted path"),
        ("model..Model", "there is no module"),
        ("model/msg3d.Model", "there is no module 'model/msg3d'"),
    ],
)
def test_paths_that_lead_to_no_class(path: str, want: str) -> None:
    with pytest.raises(InputError, match=f"^model: .*(?:{want})"):
        import_class(path, "model")


@pytest.mark.parametrize(
    ("source", "want"),
    [
        ("import nowhere_at_all", "importing 'users_own.net' failed: No module named 'nowhere_at_all'"),
        ("import users_own.absent", "importing 'users_own.net' failed: No module named 'users_own.absent'"),
        ("from math import tau_and_a_half", "importing 'users_own.net' failed: cannot import name 'tau_and_a_half'"),
        ("class Net(\n", r"importing 'users_own.net' failed: '\(' was never closed \(net.py, line 1\)"),
    ],
)
def test_a_module_of_the_users_that_cannot_be_imported(
    source: str, want: str, package: Callable[[str, str], None]
) -> None:
    package("net", source)
    with pytest.raises(InputError, match=want) as caught:
        import_class("users_own.net.Net", "model")
    assert isinstance(caught.value.__cause__, (ImportError, SyntaxError))


def test_other_errors_of_a_users_module_keep_their_traceback(package: Callable[[str, str], None]) -> None:
    package("net", "1 / 0")
    with pytest.raises(ZeroDivisionError):
        import_class("users_own.net.Net", "model")


def test_the_nearest_module_of_a_users_package(package: Callable[[str, str], None]) -> None:
    package("network", "class Net:\n    pass\n")
    with pytest.raises(InputError, match=r"no module 'users_own\.netwrok' .*did you mean 'users_own\.network'"):
        import_class("users_own.netwrok.Net", "model")


def test_arguments_come_back_with_the_defaults() -> None:
    bound = bind_arguments(Takes, {"needed": 1, "also": "x", "option": 2.0}, "model_args")
    assert bound == {"needed": 1, "also": "x", "option": 2.0, "named": True}
    assert Takes(**bound).all == (1, "x", 2.0, True)
    assert bind_arguments(TakesNothing, {}, "model_args") == {}


def test_a_class_that_takes_anything() -> None:
    assert bind_arguments(TakesAnything, {"needed": 1, "x": 2}, "model_args") == {"needed": 1, "x": 2}
    with pytest.raises(InputError, match=r"TakesAnything needs needed$"):
        bind_arguments(TakesAnything, {"x": 2}, "model_args")


@pytest.mark.parametrize(
    ("cls", "arguments", "want"),
    [
        (Takes, {"needed": 1}, "Takes needs also$"),
        (Takes, {}, "Takes needs needed, also$"),
        (Takes, {"needed": 1, "also": "", "opton": 2}, "Takes takes no argument 'opton'; did you mean 'option'"),
        (Takes, {"xyz": 2}, "Takes takes no argument 'xyz'; it takes needed, also, option, named$"),
        (Takes, {1: 2}, "Takes takes no argument 1; it takes needed"),
        (TakesNothing, {"x": 2}, "TakesNothing takes no argument 'x'"),
        (model.msg3d.Model, {"num_clas": 60}, r"model\.msg3d\.Model takes no argument .*did you mean 'num_class'"),
    ],
)
def test_arguments_that_do_not_fit(cls: type[Any], arguments: dict[Any, Any], want: str) -> None:
    with pytest.raises(InputError, match=f"^model_args: .*{want}"):
        bind_arguments(cls, arguments, "model_args")


@pytest.mark.parametrize("package", OWN_PACKAGES)
def test_own_packages_are_trusted(package: str) -> None:
    refuse_foreign(f"{package}.anything.Model", "model")


@pytest.mark.parametrize(
    "path",
    [
        *("os.system", "posixpath.join", "subprocess.Popen", "builtins.eval", "importlib.import_module", "models.x.Y"),
        *(".model.msg3d.Model", "..model.Model", "", ".", "model.", "model..x", "model.msg3d.Model()", "model;os.x"),
        *("model/../os.system", "model.os system", "Model.msg3d.Model", " model.msg3d.Model", "engine.run.run"),
    ],
)
def test_a_checkpoint_may_not_name_anything_else(path: str) -> None:
    with pytest.raises(InputError, match=r"^model: a checkpoint may only name classes of model, graph, feeders, not"):
        refuse_foreign(path, "model")


def test_packages_that_the_user_allows() -> None:
    refuse_foreign("users_own.net.Net", "model", ["users_own"])
    with pytest.raises(InputError, match=r"model, graph, feeders, users_own, not 'users_owned\.net\.Net'"):
        refuse_foreign("users_owned.net.Net", "model", ["users_own"])


def test_refusing_imports_nothing(package: Callable[[str, str], None], tmp_path: Path) -> None:
    package("net", f"open({str(tmp_path / 'marker')!r}, 'w').close()")
    with pytest.raises(InputError, match="--allow-import"):
        refuse_foreign("users_own.net.Net", "model")
    assert not (tmp_path / "marker").exists()
    assert "users_own" not in sys.modules
