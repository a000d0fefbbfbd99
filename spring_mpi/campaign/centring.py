"""Where the events of a campaign have their centre, looked at once before it begins.

With ``pattern.center: auto`` every job finds its own centre. What is known beforehand decides only
between centres that are alike, and takes the place of one that is not found. It must not depend on
the order in which jobs are done, nor on new events: it is made of a fixed sample, and kept in the
journal for all later runs.
"""

from __future__ import annotations

import json
import subprocess

import numpy as np

from ..model.findings import AUTO
from ..rundir.lines import CentreLine
from ..worker.subprocess_question import ask
from .past import Past
from .plan import Plan
from .sampling import failure_text, spread

_EVENTS, _EVENTS_IN_TURN = 16, 4
_MOST_SECONDS = 120.0
"""After which the campaign begins without having looked."""


def expected_centre(plan: Plan, past: Past) -> tuple[CentreLine | None, str]:
    """What the journal is to have of it, and why it is not known; None where nobody asks.

    What an earlier run found in the same data, prepared alike, stays.
    """
    if plan.calibration.center != AUTO:
        return None, ""
    key = plan.data_digest
    if key in past.centres:
        return past.centres[key], ""
    references = spread(plan, plan.selected, _EVENTS, _EVENTS_IN_TURN)
    if not references:
        return CentreLine(key), ""
    pattern = plan.config.pattern
    question = references, plan.calibration, pattern.cropsize, pattern.size
    try:
        done = ask("spring_mpi.campaign.centring_process", question, timeout=_MOST_SECONDS)
        done.check_returncode()
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as fault:
        return CentreLine(key), f"No event was looked at for its centre: {failure_text(fault)}"
    row, column = np.round(np.median(found or [(0.0, 0.0)], axis=0), 2).tolist()
    return CentreLine(key, (row, column) if found else None, len(found), len(references)), ""


def centre_text(line: CentreLine) -> str:
    """What people are told of it."""
    if line.center is None:
        return f"none is expected, for none was found in {line.looked_at} events"
    row, column = line.center
    return (
        f"expected at ({row:g}, {column:g}), the median of {line.events} of {line.looked_at} "
        "events that were looked at"
    )
