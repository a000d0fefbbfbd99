"""The queue with 10^6 jobs: filling, wildcard removal, assignment, memory; medians.

python benchmarks/job_queue.py [--jobs N] [--rounds N] [--json FILE]
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

from common import options, peak_memory, report, seconds_of

from spring_mpi.model.outcome import State
from spring_mpi.rank0.queue import Queue


def names(jobs: int) -> list[str]:
    """``run-train-pulse-tag``, ten tags for each event."""
    return [
        f"{71 + n // 100_000}-{n // 10}-{14546865407 + n}-suppsize:{n % 10}" for n in range(jobs)
    ]


def measure(jobs: int) -> dict[str, float]:
    """Seconds of every operation, in one round."""
    seconds: dict[str, float] = {}

    def timed(label: str, action: Callable[[], object]) -> None:
        seconds[label] = seconds_of(action)

    queue, all_names = Queue(), names(jobs)

    def fill() -> None:
        for name in all_names:
            queue.settle(name, State.WAITING)

    def work() -> None:
        for _ in range(1000):
            for order in queue.assign().instructions:
                queue.done(order.worker, *order.names)

    timed("fill", fill)
    timed("remove one tag of ten by wildcard", lambda: queue.remove("*suppsize:3"))
    timed("remove nothing by wildcard", lambda: queue.remove("no-such-*"))
    for worker in range(64):
        queue.joined(worker)
    timed("give and finish 64,000 jobs", work)
    timed("prepend 1000 waiting jobs", lambda: queue.prepend(list(queue.head(2000))[1000:]))
    return seconds


def main() -> int:
    """Measure and report."""
    parser = options(__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    rounds = [measure(arguments.jobs) for _ in range(arguments.rounds)]
    labels = rounds[0].keys()
    figures = {
        f"{label}, s": statistics.median(seconds[label] for seconds in rounds) for label in labels
    }
    figures["peak memory, MB"] = peak_memory()
    report(f"{arguments.jobs} jobs, median of {arguments.rounds} rounds", figures, arguments.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
