"""``spring-batch``: runs a campaign, alone or under an MPI launcher, and resumes it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from ..launch.communicator import Communicator, connect
from ..launch.environment import PARENT
from ..rank0.transport import LocalTransport, MpiTransport, Transport
from ..system.parent_death import die_with
from ..worker.rank import serve_rank
from . import add_transport, command, command_parser, leave, positive

_EXAMPLE = """examples:
  spring-batch configs/demo.yaml --workers 2       alone, two workers on this machine
  mpirun -n 9 spring-batch configs/demo.yaml       rank 0 and eight workers
  spring-batch configs/demo.yaml --check           say what is wrong, and stop
  mpirun -n 9 spring-batch configs/demo.yaml --check --placement     and who would run where
  spring-batch configs/demo.yaml --set seed=2 --set output=runs/second
  spring-batch configs/demo.yaml --quiet           tell faults and the end; all is in rank0.log

exit codes: 0 all jobs done, 1 some failed, 2 wrong config or usage, 3 interrupted (run again)
"""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    # A signal may come at any time, and its default action would end a rank without a word.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if parent := os.environ.get(PARENT):
        # A notebook that started this hypervisor for itself must not leave it behind.
        die_with(int(parent))
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.placement and not arguments.check:
        parser.error("--placement goes with --check")
    return _run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "spring-batch", "Reconstruct every event of a campaign; run again to resume.", _EXAMPLE
    )
    parser.add_argument("config", help="the campaign's config file (YAML)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
        help="replace a value of the config, such as workers.retries=0, its paths starting where "
        "those of the config do; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--check", action="store_true", help="tell every fault, jobs and memory; run nothing"
    )
    parser.add_argument(
        "--placement", action="store_true",
        help="with --check: tell also which worker would run where, and on which GPU",
    )  # fmt: skip
    parser.add_argument(
        "--fresh", action="store_true", help="move an existing run directory aside first"
    )
    former = parser.add_mutually_exclusive_group()
    former.add_argument(
        "--keep", action="store_true",
        help="leave results of an earlier version, whose events are prepared otherwise by now, as "
        "they are; summary.csv marks them",
    )  # fmt: skip
    former.add_argument(
        "--redo",
        action="store_true",
        help="do their jobs again, and set the results aside in the run directory's former/",
    )
    parser.add_argument(
        "--part", metavar="K/N",
        help="only the K-th of N parts of the events, in parts/K-of-N of the run directory",
    )  # fmt: skip
    parser.add_argument(
        "--merge", action="store_true", help="one report and summary.csv of all parts; run nothing"
    )
    parser.add_argument(
        "--serve", action="store_true",
        help="keep waiting for jobs that people add, and with data.follow for new events",
    )  # fmt: skip
    parser.add_argument("--workers", type=positive, help="workers without MPI (default: 1)")
    add_transport(parser)
    telling = parser.add_mutually_exclusive_group()
    telling.add_argument(
        "--quiet", action="store_true", help="show only faults, warnings and the end"
    )
    telling.add_argument(
        "--verbose", action="store_true",
        help="plain lines also for every generation, for tracebacks, and for what children print",
    )  # fmt: skip
    return parser


def _run(arguments: argparse.Namespace) -> int:
    communicator = connect(arguments.transport)
    code = _serve(arguments, communicator)
    if communicator.has_lost_ranks:
        leave(code)
    return code


def _serve(arguments: argparse.Namespace, communicator: Communicator) -> int:
    if communicator.rank > 0:
        return serve_rank(communicator)
    transport = _transport(arguments, communicator)
    try:
        # Only rank 0 needs what follows; a thousand ranks need not read it from the disk.
        from ..campaign.check import check_campaign
        from ..campaign.earlier import Choice
        from ..campaign.parts import merge, part_overrides
        from ..campaign.run import Options, run_campaign
        from ..rank0.log import Level

        overrides = arguments.overrides
        if arguments.merge:
            return merge(arguments.config, overrides)
        if arguments.part:
            overrides = part_overrides(arguments.config, overrides, arguments.part)
        choice = Choice.KEEP if arguments.keep else Choice.REDO if arguments.redo else Choice.REFUSE
        if arguments.check:
            asked = transport if arguments.placement else None
            return check_campaign(arguments.config, overrides, asked, choice)
        shown = Level.FAULT if arguments.quiet else Level.NEWS
        shown = Level.GENERATION if arguments.verbose else shown
        options = Options(arguments.fresh, arguments.serve, choice, shown)
        return run_campaign(arguments.config, overrides, transport, options)
    finally:
        # Whatever happens here, the other ranks must not wait for ever.
        transport.close()


def _transport(arguments: argparse.Namespace, communicator: Communicator) -> Transport:
    if communicator.size > 1:
        if arguments.workers is not None:
            ranks = communicator.size - 1
            print(f"--workers is for runs without MPI: {ranks} ranks are workers", file=sys.stderr)
        return MpiTransport(communicator)
    return LocalTransport(arguments.workers or 1)


if __name__ == "__main__":
    raise SystemExit(main())
