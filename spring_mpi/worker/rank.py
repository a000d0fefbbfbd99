"""A worker rank: carries messages between rank 0 and its worker until it is told to quit."""

from __future__ import annotations

import time

from ..launch.communicator import Backoff, Communicator, RankDied
from ..system.relayed_warnings import relaying_warnings
from .inventory import InventoryRequest, take_inventory
from .messages import Equipment, Gone, Quit, Report
from .supervisor import Worker


def serve_rank(communicator: Communicator) -> int:
    """Serve as a worker rank until Quit; the exit code. Rank 0 is told at the end why it ends."""
    ending = Gone("it was told to quit")
    try:
        with relaying_warnings(lambda warning: communicator.send(warning, 0)):
            return _carry_messages(communicator)
    except Exception as fault:
        ending = Gone(f"{type(fault).__name__}: {fault}")
        raise
    finally:
        communicator.send(ending, 0)
        communicator.close()


def _carry_messages(communicator: Communicator) -> int:
    """Pass messages between rank 0 and the worker until Quit; the exit code."""
    worker, backoff = None, Backoff()
    try:
        while True:
            arrived = communicator.receive()
            reports: list[Report] = []
            if arrived is not None:
                sender, order = arrived
                if isinstance(order, Quit) or (isinstance(order, RankDied) and sender == 0):
                    return 0
                if isinstance(order, InventoryRequest):
                    communicator.send(take_inventory(order, communicator.node), 0)
                elif isinstance(order, Equipment):
                    worker = Worker(order, time.monotonic)
                elif worker is not None:
                    reports += worker.send(order)
            if worker is not None:
                reports += worker.poll()
            for report in reports:
                communicator.send(report, 0)
            backoff.rest(after_traffic=bool(arrived or reports))
    finally:
        if worker is not None:
            worker.close()
