"""Classes by dotted path (``model.msg3d.Model``): how a YAML file names its feeder, its model and its graph."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Collection, Mapping
from typing import Any

from errors import InputError, did_you_mean

OWN_PACKAGES = ("model", "graph", "feeders")


def import_class(path: str, key: str) -> type[Any]:
    """The class that ``path`` names; ``key`` is the setting it came from, for the error.

    Raises:
        InputError: no such module, no such name in it, or not a class.
    """
    module_name, _, name = path.rpartition(".")
    if not module_name or path.startswith("."):
        raise InputError(f"{key}: {path!r} is not a dotted path such as 'model.msg3d.Model'")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, SyntaxError) as error:
        absent = error.name if isinstance(error, ModuleNotFoundError) else None
        if absent is None or not (module_name + ".").startswith(absent + "."):
            raise InputError(f"{key}: importing {module_name!r} failed: {error}") from error
        hint = did_you_mean(module_name, _modules_beside(module_name))
        raise InputError(f"{key}: there is no module {absent!r} for {path!r}{hint}") from error
    found = getattr(module, name, None)
    if not inspect.isclass(found):
        classes = [n for n, value in vars(module).items() if inspect.isclass(value)]
        raise InputError(f"{key}: module {module_name!r} has no class {name!r}{did_you_mean(name, classes)}")
    return found


def bind_arguments(cls: type[Any], arguments: Mapping[str, Any], key: str) -> dict[str, Any]:
    """All arguments of ``cls``, defaults included, once ``arguments`` are found to fit its constructor.

    Raises:
        InputError: an argument that the class does not take (the nearest is named), or one that it needs.
    """
    parameters = inspect.signature(cls).parameters
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    for name in arguments:
        if name not in parameters and not takes_any:
            hint = did_you_mean(str(name), parameters) or f"; it takes {', '.join(parameters) or 'none'}"
            raise InputError(f"{key}: {cls.__module__}.{cls.__qualname__} takes no argument {name!r}{hint}")
    empty = inspect.Parameter.empty
    named = [p for p in parameters.values() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    missing = [p.name for p in named if p.default is empty and p.name not in arguments]
    if missing:
        raise InputError(f"{key}: {cls.__module__}.{cls.__qualname__} needs {', '.join(missing)}")
    return {**{p.name: p.default for p in named if p.default is not empty}, **arguments}


def refuse_foreign(path: str, key: str, allowed: Collection[str] = ()) -> None:
    """Refuse, before anything is imported, a ``path`` that leaves this repository's own packages.

    For settings that were read out of a checkpoint: such a file may come from anywhere, and importing a module
    runs it. ``allowed`` are further packages that the user named (``--allow-import``).

    Raises:
        InputError: the first component of ``path`` is in neither list.
    """
    trusted = (*OWN_PACKAGES, *allowed)
    if path.partition(".")[0] not in trusted or not all(part.isidentifier() for part in path.split(".")):
        raise InputError(
            f"{key}: a checkpoint may only name classes of {', '.join(trusted)}, not {path!r}; "
            "name its package with --allow-import if you trust it"
        )


def _modules_beside(module_name: str) -> list[str]:
    """Dotted names of the modules in the package that should have held ``module_name``; the own packages if none."""
    package, _, _ = module_name.rpartition(".")
    names: list[str] = []
    for candidate in (package,) if package else OWN_PACKAGES:
        try:
            found = importlib.import_module(candidate)
        except ImportError:
            names.extend(OWN_PACKAGES)
            continue
        names.extend(f"{candidate}.{m.name}" for m in pkgutil.iter_modules(getattr(found, "__path__", [])))
    return names
