"""``--version``: every command has it."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points, version

import pytest

COMMANDS = [
    command for command in entry_points(group="console_scripts") if command.name[:7] == "spring-"
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_version(command: EntryPoint, capsys: pytest.CaptureFixture[str]) -> None:
    """One line with the command's name and the package's version, exit 0."""
    module, _, function = command.value.partition(":")
    with pytest.raises(SystemExit) as end:
        getattr(import_module(module), function)(["--version"])
    assert not end.value.code
    assert capsys.readouterr().out == f"{command.name} {version('spring-mpi')}\n"


def test_there_are_commands() -> None:
    """The list above is not empty by mistake."""
    assert len(COMMANDS) >= 5
