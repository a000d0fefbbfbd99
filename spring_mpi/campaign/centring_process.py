"""Finding the centres of a few events in a process of its own, run as ``python -m``.

The question is ``(references, calibration, cropsize, size)``, the answer a line of JSON: (row,
column) of each centre that is sure. Events that cannot be prepared are left out; their jobs tell
what is wrong.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress

from ..errors import SpringError
from ..events.event import EventRef
from ..events.reading.calibration import Calibration
from ..events.reading.preparation import Preparer
from ..worker.subprocess_question import question_of


def main(parent: int) -> None:
    """Answer one question of the process that started this one."""
    with question_of(parent) as (question, out):
        out.write(json.dumps(list(_centres(*question))).encode())


def _centres(
    references: Sequence[EventRef], calibration: Calibration, cropsize: int, size: int
) -> Iterator[tuple[float, float]]:
    with Preparer() as preparer:
        for reference in references:
            with suppress(SpringError):
                made = preparer.prepare(reference, calibration, cropsize=cropsize, size=size)
                if center := made.pattern.findings.center:
                    yield center


if __name__ == "__main__":
    main(int(sys.argv[1]))
