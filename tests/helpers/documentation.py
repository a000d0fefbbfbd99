"""The pages of the documentation, their blocks of code, and a folder in which these run.

Blocks run in the order of their page. What a reader does not see says how one is treated: a comment
``<!-- not run: REASON -->`` before a block that cannot run here, which is then only parsed.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from helpers.campaigns import AS_ROOT

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(
    r"^( *)```(\S*)(?: title=\"([^\"\n]*)\")?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL
)
_NOT_RUN = re.compile(r"<!-- not run: (\S.*) -->\n *$")
_LAUNCHER = re.compile(r"(mpirun|mpiexec|srun)( -\S+( \d+)?)*$")

# As many ranks as the text says would be too many for a machine that tests.
_MPIRUN = """#!/bin/bash
while [ "${1#-}" != "$1" ]; do [ "$1" = -n ] && shift; shift; done
exec %s --oversubscribe --bind-to none -n 2 "$@"
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    """Path from the root of the repository."""
    line: int
    language: str
    text: str
    title: str
    """The file that it is; empty for one that is none."""
    not_run: str
    """Why it cannot run here; empty where it can."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """All pages, from the root of the repository."""
    top = [path for path in ROOT.glob("*.md") if path.name != "CHANGELOG.md"]
    found = [*top, *ROOT.glob("jobs/*.md"), *ROOT.glob("docs/**/*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, from the first on."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        indent, language, title, content = fence.groups()
        content = re.sub(f"^{indent}", "", content, flags=re.MULTILINE)
        before = text[: fence.start()]
        line, reason = before.count("\n") + 1, _NOT_RUN.search(before)
        why = reason[1] if reason else ""
        found.append(Block(page, line, language, content, title or "", why))
    return found


def commands(block: Block) -> Iterator[list[str]]:
    """Calls of ``spring-...`` in a block of shell or console, a list of words each."""
    text = block.text.replace("\\\n", " ")
    lines = text.splitlines()
    if block.language in ("console", "text"):
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    for line in lines:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        call: list[str] = []
        for word in [*lexer, ";"]:
            if word[0] in "|&;<>()":
                yield from _own(call)
                call = []
            else:
                call.append(word)


def _own(call: list[str]) -> Iterator[list[str]]:
    """The call without variables and launchers in front, if it is one of ours."""
    for number, word in enumerate(call):
        if os.path.basename(word).startswith("spring-"):
            before = [text for text in call[:number] if not re.match(r"\w+=", text)]
            if not before or _LAUNCHER.search(" ".join(before)):
                yield [os.path.basename(word), *call[number + 1 :]]
            return


class _ParsedError(BaseException):
    """The arguments are parsed; nothing else shall be done with them."""


def parse_command(words: list[str], monkeypatch: object) -> None:
    """Let a command parse its arguments, and no more; `SystemExit` where they are wrong."""
    (point,) = entry_points(group="console_scripts", name=words[0])
    original = argparse.ArgumentParser.parse_args

    def parse_args(self: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> None:
        original(self, args, namespace)
        raise _ParsedError

    with monkeypatch.context() as patched:  # type: ignore[attr-defined]
        patched.setattr(argparse.ArgumentParser, "parse_args", parse_args)
        try:
            point.load()(words[1:])
        except _ParsedError:
            return
        raise SystemExit(2)


def shell(text: str, folder: Path, *, check_only: bool = False) -> str:
    """What a block of shell prints; an `AssertionError` where it fails."""
    environment = os.environ | AS_ROOT | {"MPLBACKEND": "Agg", "COLUMNS": "100"}
    paths = [str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    done = subprocess.run(
        ["bash", *(["-n"] if check_only else ["-euo", "pipefail"]), "-c", text],
        cwd=folder, env=environment | {"PATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"exit {done.returncode} of:\n{text}\n{done.stdout}"
    return done.stdout


def transcript(text: str) -> Iterator[tuple[str, str]]:
    """(command, expected output) of each ``$ ...`` line of a console block."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        while command.endswith("\\"):
            more, _, output = output.partition("\n")
            command += f"\n{more}"
        yield command, output


def agrees(printed: str, expected: str) -> bool:
    """Whether an output is the expected one, in which ``...`` stands for anything.

    A line that is nothing but ``...`` stands for any lines.
    """
    pattern = re.escape(expected.rstrip()).replace(re.escape("..."), ".*?")
    return re.fullmatch(pattern, printed.rstrip(), re.DOTALL) is not None


def furnish(folder: Path, mpirun: str) -> None:
    """Put into a folder what the pages take for granted: data, configs, a geometry."""
    (folder / "bin").mkdir()
    (folder / "bin/mpirun").write_text(_MPIRUN % shlex.quote(mpirun))
    (folder / "bin/mpirun").chmod(0o755)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "configs").mkdir()
    for config in ROOT.glob("configs/*.yaml"):
        text = config.read_text().replace("generations: 30", "generations: 2")
        (folder / "configs" / config.name).write_text(text)
    for name, size, events in (("run34", 64, 8), ("data/run34", 1064, 2)):
        (folder / name).mkdir(parents=True)
        _write_cxi(folder / name / "shots_r0071.cxi", size, events)
    excluded = np.zeros((1064, 1064), np.uint8)
    excluded[500:530, 500:530] = 1
    np.save(folder / "data/run34/mask.npy", excluded)
    (folder / "data/run34/hits.txt").write_text("71-1-14546865407\n71-2-14546865408\n")
    (folder / "jungfrau4M.geom").write_text(_GEOMETRY)


def _write_cxi(path: Path, size: int, events: int) -> None:
    """Frames with light in the middle, and the pids 71-1-14546865407, 71-2-14546865408, ..."""
    random = np.random.default_rng(7)
    rows, columns = np.indices((size, size)) - (size // 2 - 0.7)
    light = 2e6 / (1 + rows**2 + columns**2)
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 160
        frames = file.create_dataset("entry_1/data_1/data", (events, size, size), "uint16")
        for number in range(events):
            frames[number] = np.minimum(random.poisson(light), 2**16 - 1)
        file["entry_1/trainId"] = np.arange(1, events + 1)
        file["entry_1/pulseId"] = 14546865407 + np.arange(events)


_GEOMETRY = """\
clen = 0.1
res = 13333.3
data = /entry_1/data_1/data
dim0 = %
dim1 = ss
dim2 = fs
p0/min_fs = 0
p0/max_fs = 63
p0/min_ss = 0
p0/max_ss = 63
p0/corner_x = -32
p0/corner_y = -32
p0/fs = +1.0x
p0/ss = +1.0y
"""
