"""A JSON file, whatever it holds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from errors import InputError, in_a_line


def read_json(path: str | os.PathLike[str]) -> Any:
    """What a JSON file holds.

    Raises:
        InputError: no such file, or not JSON.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable as JSON: {in_a_line(error)}") from error
