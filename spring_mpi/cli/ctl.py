"""``spring-ctl``: steers a living campaign, from any node that sees its run directory."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import NoAnswerError, RunDirectoryError
from . import command, command_parser

_NO_HYPERVISOR = 4
_EXAMPLE = """examples:
  spring-ctl runs/demo info                                 what runs, what waits
  spring-ctl runs/demo prepend 71-1-14546865407             next, please
  spring-ctl runs/demo append 71-1-14546865407 --tag wide --set init.supportsize=60
  spring-ctl runs/demo remove '*suppsize:50'                by wildcard; a number is a position
  spring-ctl runs/demo stop                                 the running job; the next one starts

exit codes: 0 done, 1 refused, 2 usage, 4 no live hypervisor (info tells what the campaign came to)
"""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    arguments = _parser().parse_args(argv)
    return _run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "spring-ctl", "Steer a living campaign; the replies are its hypervisor's own.", _EXAMPLE
    )
    parser.add_argument("rundir", type=Path, help="the campaign's run directory")
    parser.add_argument("--json", action="store_true", help="print the reply for programs")
    parser.add_argument(
        "--timeout", type=float, default=60.0, help="seconds to wait for the reply (default: 60)"
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _reading_verbs(verbs)
    for verb, text in (("append", "add jobs at the back"), ("prepend", "put jobs to the front")):
        adding = verbs.add_parser(verb, help=text)
        adding.add_argument(
            "jobs",
            nargs="+",
            help="name of a job, as info shows it, or pid of an event for one more job",
        )
        adding.add_argument("--tag", default="", help="tag of the new jobs")
        adding.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
            help="a setting of the new jobs, such as init.supportsize=60; may be repeated",
        )  # fmt: skip
    removing = verbs.add_parser("remove", help="remove waiting jobs")
    removing.add_argument("item", help="position, name, or wildcard")
    removing.add_argument("--name", action="store_true", help="digits are a name, no position")
    stopping = verbs.add_parser("stop", help="stop the running job or jobs")
    stopping.add_argument("name", nargs="?", help="only this one")
    retrying = verbs.add_parser("retry", help="run failed, removed or stopped jobs again")
    retrying.add_argument("item", nargs="?", default="*", help="name or wildcard (default: all)")
    for verb, text in (
        ("kill", "remove every waiting job, then stop the running ones"),
        ("pause", "give out no more jobs"),
        ("resume", "give out jobs again"),
        ("drain", "let the running jobs end, then the campaign"),
    ):
        verbs.add_parser(verb, help=text)
    return parser


def _reading_verbs(verbs: Any) -> None:
    info = verbs.add_parser("info", help="what runs, and what waits")
    info.add_argument("--all", action="store_true", help="every waiting job")
    livelog = verbs.add_parser("livelog", help="devices and progress")
    livelog.add_argument("--follow", action="store_true", help="again every second, until Ctrl-C")
    verbs.add_parser("workers", help="every worker with its device and job")


def _run(arguments: argparse.Namespace) -> int:
    from ..hypervisor.lock import Lock
    from ..hypervisor.mailbox import Client

    control = arguments.rundir / "control"
    if not Lock(control / "lock").is_held():
        return _tell_outcome(arguments)
    client = Client(control)
    try:
        while True:
            code = _ask(client, arguments)
            if not getattr(arguments, "follow", False) or code:
                return code
            sys.stdout.flush()
            time.sleep(1.0)
    except NoAnswerError as fault:
        print(fault, file=sys.stderr)
        return _NO_HYPERVISOR


def _tell_outcome(arguments: argparse.Namespace) -> int:
    """Say that no hypervisor lives; who asks how it is gets what its files tell."""
    from ..campaign.outcome import Outcome
    from ..hypervisor.control import READING

    rundir: Path = arguments.rundir
    if not (rundir / "control").is_dir():
        print(f"no campaign has run in {rundir}", file=sys.stderr)
        return _NO_HYPERVISOR
    print(f"no live hypervisor in {rundir}", file=sys.stderr)
    if arguments.verb in READING:
        try:
            outcome = Outcome.read(rundir)
        except RunDirectoryError as fault:
            print(fault, file=sys.stderr)
            return _NO_HYPERVISOR
        lines = list(outcome.lines())
        if arguments.json:
            print(json.dumps({"lines": lines, "refused": False, "data": outcome.data()}))
        else:
            print("\n".join(lines))
    return _NO_HYPERVISOR


def _ask(client: Any, arguments: argparse.Namespace) -> int:
    reply = client.ask(arguments.verb, _message(arguments), timeout=arguments.timeout)
    if arguments.json:
        print(json.dumps({"lines": reply.lines, "refused": reply.refused, "data": reply.data}))
    else:
        for line in reply.lines:
            print(line, file=sys.stderr if reply.refused else sys.stdout)
    return int(reply.refused)


def _message(arguments: argparse.Namespace) -> Mapping[str, Any]:
    """What the hypervisor needs to know beside the verb."""
    keys = ("all", "jobs", "tag", "item", "name")
    given = {key: getattr(arguments, key) for key in keys if hasattr(arguments, key)}
    if hasattr(arguments, "overrides"):
        given["set"] = dict(_setting(text) for text in arguments.overrides)
    return given


def _setting(text: str) -> tuple[str, Any]:
    from ..campaign.document import resolve
    from ..errors import SettingsError

    key, sign, value = text.partition("=")
    if not sign:
        raise SettingsError(f"{text!r} must be KEY=VALUE, such as init.supportsize=60")
    return key.strip(), resolve(value.strip())


if __name__ == "__main__":
    raise SystemExit(main())
