"""Looking at a few events in a process of its own, run as ``python -m``.

The question is ``(references, calibration)``, the answer `Suspects`, pickled. A damaged file or a
user's loader that ends or stops a process ends or stops this one, not rank 0.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Sequence

from ..events.event import EventRef
from ..events.reading.calibration import Calibration
from ..events.reading.calibrator import Calibrator
from ..events.reading.loader import Loader
from ..events.reading.suspects import Suspects
from ..events.survey.suspect_search import find_suspects
from ..worker.subprocess_question import question_of


def main(parent: int) -> None:
    """Answer one question of the process that started this one."""
    with question_of(parent) as ((references, calibration), out):
        pickle.dump(_look(references, calibration), out)


def _look(references: Sequence[EventRef], calibration: Calibration) -> Suspects:
    with Loader() as loader:
        return find_suspects(references, Calibrator(calibration, loader), loader)


if __name__ == "__main__":
    main(int(sys.argv[1]))
