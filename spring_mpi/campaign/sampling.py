"""A few events that are looked at before a campaign begins."""

from __future__ import annotations

import pickle
import subprocess

import numpy as np
from numpy.typing import NDArray

from ..events.event import EventRef
from ..events.formats.registry import facts_of, takes_texts
from ..events.gain_stages import UndecodedError
from ..events.reading.suspects import NOTHING_SUSPECT, Suspects
from ..worker.subprocess_question import ask
from .plan import Plan

_EVENTS, _EVENTS_IN_TURN = 8, 2
"""So many show what most events have in common; each costs as much as to read its frame."""
_MOST_SECONDS = 120.0
"""After which the campaign begins without having looked."""


def suspects_of(plan: Plan) -> tuple[Suspects, str]:
    """Raw values that look like marks of bad pixels and count as measured; why they are not known.

    An event that cannot be read is left out here: its job tells what is wrong.

    Raises
    ------
    UndecodedError
        If values hold gain stages, and the config does not tell what each is worth.
    """
    references = sampled(plan)
    if not references:
        return NOTHING_SUSPECT, ""
    try:
        question = references, plan.calibration
        done = ask("spring_mpi.campaign.sampling_process", question, timeout=_MOST_SECONDS)
        done.check_returncode()
        found: Suspects = pickle.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, pickle.UnpicklingError, EOFError) as fault:
        return (
            NOTHING_SUSPECT,
            f"No event was looked at for marks of bad pixels: {failure_text(fault)}",
        )
    if found.refusal:
        raise UndecodedError(found.refusal)
    return found, ""


def sampled(plan: Plan) -> list[EventRef]:
    """Events to be looked at for marks; none of simulated data, which are known."""
    return [] if _is_simulated(plan) else spread(plan, plan.positions, _EVENTS, _EVENTS_IN_TURN)


def spread(
    plan: Plan, positions: NDArray[np.int64], most: int, most_in_turn: int
) -> list[EventRef]:
    """Events spread over those at ``positions`` of the index; the first ones where others are slow
    to reach, or new."""
    data, count = plan.config.data, len(positions)
    in_turn = data.follow is not None or (takes_texts(data.reader) and not _is_simulated(plan))
    number = min(count, most_in_turn if in_turn else most)
    last = number - 1 if in_turn else count - 1
    steps = (step * last // max(number - 1, 1) for step in range(number))
    return [plan.index.ref(int(positions[step])) for step in steps]


def _is_simulated(plan: Plan) -> bool:
    return all(facts_of(source.reader).is_simulated for source in plan.index.sources)


def failure_text(fault: Exception) -> str:
    """Why a process that was asked about events gave no answer."""
    if isinstance(fault, subprocess.TimeoutExpired):
        return f"a few took more than {fault.timeout:.0f} s"
    if isinstance(fault, subprocess.CalledProcessError):
        return f"the process that read them ended with {fault.returncode}"
    return str(fault)
