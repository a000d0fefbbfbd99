"""``spring-submit``: writes a campaign's script for SLURM or LSF, and submits it."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from ..campaign.config import load_config
from ..campaign.sections import Config
from ..campaign.submission import SCHEDULERS, Request, default_scheduler, render, submit
from ..streams import print_exactly
from . import command, positive

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
    parser = argparse.ArgumentParser(
        prog="spring-submit",
        description="Submit a campaign to SLURM or LSF.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("config", help="the campaign's config file (YAML)")
    add("--scheduler", choices=tuple(SCHEDULERS), help="default: the one that is here")
    add("--nodes", type=positive, default=1, help="default: 1")
    add("--gpus", type=positive, metavar="N", help="GPUs of a node; default: none")
    add(
        "--workers", type=positive, metavar="N",
        help="workers of a node; default: GPUs x workers.per_device, without GPUs 16",
    )  # fmt: skip
    add("--time", type=_minutes, default=240, metavar="[H:]M[:S]", help="default: 4:00:00")
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


def _minutes(text: str) -> int:
    """Of ``M``, ``H:M`` or ``H:M:S``, seconds rounded up; one number is minutes, as in SLURM."""
    if not re.fullmatch(r"\d+(:\d{1,2}){0,2}", text):
        raise argparse.ArgumentTypeError(f"must be minutes, H:M or H:M:S, not {text!r}")
    numbers = [int(one) for one in text.split(":")]
    if len(numbers) == 1:
        return max(numbers[0], 1)
    hours, minutes, *seconds = numbers
    return max(60 * hours + minutes + bool(sum(seconds)), 1)


def _run(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config, arguments.overrides)
    request = _request(arguments, config)
    script = render(request)
    if arguments.only_print:
        print_exactly(script)
        return 0
    job, process = submit(script, request.scheduler, wait=arguments.wait)
    part = "/parts/*" if request.parts > 1 else ""
    print(f"job: {job}\nrun directory: {config.output}")
    print(f"log: tail -F {shlex.quote(config.output)}{part}/rank0.log", flush=True)
    # Without --wait it ends at once.
    code = process.wait()
    if process.stdout:
        process.stdout.close()
    return code


def _request(arguments: argparse.Namespace, config: Config) -> Request:
    gpus = arguments.gpus or 0
    return Request(
        config=Path(os.path.abspath(arguments.config)),
        scheduler=arguments.scheduler or default_scheduler(),
        minutes=arguments.time,
        nodes=arguments.nodes,
        gpus=gpus,
        workers=arguments.workers or gpus * config.workers.per_device or 16,
        threads=config.workers.threads,
        parts=arguments.parts,
        is_live=arguments.live,
        queue=arguments.queue,
        account=arguments.account,
        launch=tuple(shlex.split(arguments.launch)),
        overrides=tuple(arguments.overrides),
    )


if __name__ == "__main__":
    raise SystemExit(main())
