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
from ..rundir.verbs import FLAG, MAPPING, TEXTS, VERBS, Argument, Changes
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
    for verb in VERBS.values():
        details = f"{verb.help[0].upper()}{verb.help[1:]}. {verb.more}".replace("`", "")
        adding = verbs.add_parser(verb.name, help=verb.help, description=details)
        for argument in verb.arguments:
            _add_argument(adding, argument)
    return parser


def _add_argument(parser: argparse.ArgumentParser, argument: Argument) -> None:
    """Have a parser take an argument of a verb."""
    if not argument.is_option:
        many = "+" if argument.form is TEXTS else None
        parser.add_argument(
            argument.name, nargs=many if argument.is_required else "?", help=argument.help,
            metavar=argument.metavar, default=None if argument.is_required else argument.default,
        )  # fmt: skip
    elif argument.form is FLAG:
        parser.add_argument(f"--{argument.name}", action="store_true", help=argument.help)
    else:
        is_repeated = argument.form is MAPPING
        parser.add_argument(
            f"--{argument.name}", action="append" if is_repeated else "store",
            default=[] if is_repeated else argument.default,
            metavar=argument.metavar, help=argument.help,
        )  # fmt: skip


def _run(arguments: argparse.Namespace) -> int:
    from ..rundir.lock import Lock
    from ..rundir.mailbox import Client

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
    """Say that no hypervisor runs; verbs that only ask are answered from its files."""
    from ..rundir.ended import EndedCampaign

    rundir: Path = arguments.rundir
    if not (rundir / "control").is_dir():
        print(f"no campaign has run in {rundir}", file=sys.stderr)
        return _NO_HYPERVISOR
    print(f"no live hypervisor in {rundir}", file=sys.stderr)
    if VERBS[arguments.verb].changes is Changes.NOTHING:
        try:
            ended = EndedCampaign.read(rundir)
        except RunDirectoryError as fault:
            print(fault, file=sys.stderr)
            return _NO_HYPERVISOR
        lines = list(ended.lines())
        if arguments.json:
            print(json.dumps({"lines": lines, "refused": False, "data": ended.data()}))
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
    verb = VERBS[arguments.verb]
    given = {
        argument.name: dict(map(_setting, value)) if argument.form is MAPPING else value
        for argument in verb.arguments
        if argument.is_sent
        for value in [getattr(arguments, argument.name)]
    }
    return verb.checked(given)


def _setting(text: str) -> tuple[str, Any]:
    from ..config.document import resolve
    from ..errors import SettingsError

    key, sign, value = text.partition("=")
    if not sign:
        raise SettingsError(f"{text!r} must be KEY=VALUE, such as init.supportsize=60")
    return key.strip(), resolve(value.strip())


if __name__ == "__main__":
    raise SystemExit(main())
