"""On the path of a process this is its CuPy: the stand-in, in real children of a real campaign.

The file that SPRING_FAKE_BROKEN names breaks the device of the first who finds it.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from helpers.fakecupy import FakeCupy
from helpers.hostmachine import Builder, HostMachine


class BrittleCupy(FakeCupy):
    """Breaks on request while a reconstruction is under way."""

    def asnumpy(self, array: Any, stream: Any) -> Any:
        sentinel = os.environ.get("SPRING_FAKE_BROKEN", "")
        if os.path.exists(sentinel):
            os.unlink(sentinel)
            self.is_broken = True
        return super().asnumpy(array, stream)


_folder = Path(tempfile.mkdtemp(dir=os.environ["SPRING_FAKE_FOLDER"]))
sys.modules[__name__] = BrittleCupy(HostMachine(Builder("g++", _folder)))  # type: ignore[assignment]
