"""``spring-submit``: writes a campaign's script for a scheduler, and submits it."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from ..config.config import load_config
from ..config.sections import Config
from ..errors import LaunchError
from ..launch.schedulers import SCHEDULERS, Request, default_scheduler, render
from ..launch.submission import submit
from ..model.durations import TIME_FORMS, TimeLimit, caution, time_limit
from ..rundir.paths import RunDirectory
from ..system.streams import print_exactly
from . import command, command_parser, positive

_EXAMPLE = """examples:
  spring-submit run34.yaml --gpus 4 --time 4:00:00             four GPUs of one node
  spring-submit run34.yaml --nodes 2 --workers 32 --print      show the script for 64 processors
  spring-submit run34.yaml --gpus 4 --parts 8                  eight allocations, as they come
  spring-submit run34.yaml --gpus 4 --live --queue beamtime    follow a run (data.follow)

The scripts are those of jobs/; for what they do not cover, edit a copy.
"""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code, with ``--wait`` that of the job."""
    arguments = _parser().parse_args(argv)
    return _run(arguments)


def _parser() -> argparse.ArgumentParser:
    known = " or ".join(name.upper() for name in SCHEDULERS)
    parser = command_parser("spring-submit", f"Submit a campaign to {known}.", _EXAMPLE)
    add = parser.add_argument
    add("config", help="the campaign's config file (YAML)")
    add("--scheduler", choices=tuple(SCHEDULERS), help="default: the one that is here")
    add("--nodes", type=positive, default=1, help="default: 1")
    add("--gpus", type=positive, metavar="N", help="GPUs of a node; default: none")
    add(
        "--workers", type=positive, metavar="N",
        help="workers of a node; default: GPUs x workers.per_device, without GPUs 16",
    )  # fmt: skip
    add(
        "--time", default="4:00:00",
        help=f"{TIME_FORMS}; default: 4:00:00",
    )  # fmt: skip
    add("--queue", "--partition", default="", help="queue of LSF, partition of SLURM")
    add("--account", default="", help="account of SLURM, project of LSF")
    add("--parts", type=positive, default=1, metavar="N", help="an array job of so many parts")
    add("--live", action="store_true", help="follow a run that is still being written")
    add("--launch", default="", metavar="COMMAND", help="such as 'srun --mpi=pmix'")
    add(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
        help="replace a value of the config, as for spring-batch",
    )  # fmt: skip
    add("--print", action="store_true", dest="only_print", help="show the script; submit nothing")
    add("--wait", action="store_true", help="until the job has ended; its exit code")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config, arguments.overrides)
    RunDirectory(Path(config.output)).refuse_moved(arguments.config, arguments.overrides)
    request = _request(arguments, config)
    script = render(request)
    if arguments.only_print:
        print_exactly(script)
        return 0
    submitted = submit(script, SCHEDULERS[request.scheduler], _tell, wait=arguments.wait)
    part = "/parts/*" if request.parts > 1 else ""
    print(f"job: {submitted.job}\nrun directory: {config.output}")
    print(f"log: tail -F {shlex.quote(config.output)}{part}/rank0.log", flush=True)
    # Without --wait it ends at once.
    return submitted.wait()


def _tell(line: str) -> None:
    """Show what the scheduler says beside the job's id."""
    print(line, end="", file=sys.stderr, flush=True)


def _time(text: str, scheduler: str) -> TimeLimit:
    try:
        time = time_limit(text, scheduler)
    except ValueError as fault:
        raise LaunchError(f"--time {fault}") from None
    if doubt := caution(text, scheduler):
        print(f"--time {doubt}", file=sys.stderr)
    return time


def _words(launch: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(launch))
    except ValueError as fault:
        raise LaunchError(f"--launch {launch!r}: {fault}") from None


def _request(arguments: argparse.Namespace, config: Config) -> Request:
    gpus = arguments.gpus or 0
    scheduler = arguments.scheduler or default_scheduler()
    return Request(
        config=Path(os.path.abspath(arguments.config)),
        scheduler=scheduler,
        time=_time(arguments.time, scheduler),
        nodes=arguments.nodes,
        gpus=gpus,
        workers=arguments.workers or gpus * config.workers.per_device or 16,
        threads=config.workers.threads,
        parts=arguments.parts,
        is_live=arguments.live,
        queue=arguments.queue,
        account=arguments.account,
        launch=_words(arguments.launch),
        overrides=tuple(arguments.overrides),
    )


if __name__ == "__main__":
    raise SystemExit(main())
