"""``status.json``, for programs: replaced about once a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..system.files import replace_file


def write_status(path: Path, status: dict[str, Any]) -> None:
    """Replace ``status.json``: readers see the old one or the new one, complete."""
    replace_file(path, json.dumps(status, indent=1).encode())
