"""Facts that the files of the project repeat are the same in all of them."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from dataclasses import fields
from itertools import groupby
from pathlib import Path
from typing import get_args

import yaml

from spring_mpi.model.outcome import Outcome
from spring_mpi.rundir.lines import JobLine, Line

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_files_that_a_contributor_has_to_touch() -> None:
    """Every path in the table of CONTRIBUTING is there, in the package or at the root."""
    rows = re.findall(r"^\| .* \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    named = re.findall(r"`([\w./-]+/[\w.-]*|\w+\.(?:py|md|yaml|toml))`", " ".join(rows))
    own = re.compile(r"lcls2/$")  # an example within a folder that is named beside it
    paths = [name for name in named if not own.match(name)]
    assert len(paths) > 40
    missing = [
        name
        for name in paths
        if not any((top / name).exists() for top in (ROOT, ROOT / "spring_mpi"))
    ]
    assert missing == []


def test_commands_that_a_contributor_has_to_run(tmp_path: Path) -> None:
    """As they stand in the table they write the files that are here."""
    commands = re.findall(r"`(python -m [^`]+)`", (ROOT / "CONTRIBUTING.md").read_text())
    assert len(commands) > 1
    for folder in ("configs", "jobs"):
        (tmp_path / folder).mkdir()
    for command in commands:
        line = command.replace("python", shlex.quote(sys.executable), 1)
        subprocess.run(line, shell=True, cwd=tmp_path, check=True, capture_output=True)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > len(commands)
    for path in written:
        assert path.read_text() == (ROOT / path.relative_to(tmp_path)).read_text(), path.name


def test_one_version() -> None:
    """Citation and changelog are of the version that is built."""
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == PROJECT["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text()
    newest, *_ = re.findall(r"^## (\S+)", changelog, re.MULTILINE)
    assert newest == PROJECT["version"]


def test_versions_of_python() -> None:
    """Those that the package promises are those on which it is tested."""
    promised = [
        text.rpartition(" ")[2] for text in PROJECT["classifiers"] if "Python :: 3." in text
    ]
    nox = re.search(r"^PYTHONS = \((.*)\)$", (ROOT / "noxfile.py").read_text(), re.MULTILINE)
    assert nox is not None
    assert re.findall(r'"(.*?)"', nox[1]) == promised
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())
    assert workflow["jobs"]["tests"]["strategy"]["matrix"]["python"] == promised
    assert PROJECT["requires-python"] == f">={promised[0]}"


def layers() -> list[set[str]]:
    """The packages of the import contract, from the top to the bottom."""
    contract = ConfigParser()
    contract.read(ROOT / "setup.cfg")
    lines = contract["importlinter:contract:layers"]["layers"].split("\n")
    return [set(re.findall(r"\w+", line)) for line in lines if line]


def test_picture_of_the_packages() -> None:
    """It has the layers of the import contract, at equal height what is in one layer."""
    picture = (ROOT / "docs/images/packages.svg").read_text()
    names = re.findall(r'class="name" x="\d+" y="(\d+)">(\w+)(?:/|\.py)<', picture)
    rows = groupby(sorted(names, key=lambda found: int(found[0])), key=lambda found: found[0])
    assert [{name for _, name in row} for _, row in rows] == layers()


def test_table_of_the_packages() -> None:
    """It has those of the import contract, in their order."""
    page = (ROOT / "docs/explanations/architecture.md").read_text()
    names = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", page, re.MULTILINE)
    order = {name: number for number, layer in enumerate(layers()) for name in layer}
    assert sorted(names) == sorted(order)
    assert [order[name] for name in names] == sorted(order.values())


def test_modules_that_pages_name() -> None:
    """Every Python file that stands in a page with its folder is there."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        name for page in pages for name in re.findall(r"\b(?:\w+/)+\w+\.py\b", page.read_text())
    }
    assert len(named) > 10
    tops = (ROOT, ROOT / "spring_mpi")
    assert [name for name in sorted(named) if not any((top / name).exists() for top in tops)] == []


def test_table_of_the_journal() -> None:
    """Its rows have the keys of the types that write and read the lines."""
    page = (ROOT / "docs/reference/run-directory.md").read_text()
    section = page.partition("## Journal")[2].partition("\n## ")[0]
    documented: list[set[str]] = []
    for kind, keys in re.findall(r"^\| ?(.*?) ?\| (`.*?) \|", section, re.MULTILINE):
        documented += [] if not kind else [set()]
        documented[-1].update(re.findall(r"`(\w+)`", keys))
    assert sorted(map(sorted, documented)) == sorted(
        sorted(keys_of(kind)) for kind in get_args(Line)
    )


def keys_of(kind: type[Line]) -> set[str]:
    """All keys of the lines of a kind."""
    own = {item.metadata["key"] or item.name for item in fields(kind) if item.metadata}
    plain = {item.name for item in fields(kind) if not item.metadata}
    if kind is JobLine:
        kept = {item.name for item in fields(Outcome) if item.metadata.get("is_kept")}
        return own | plain - {"outcome"} | kept - {"name"} | {"job"}
    return own | plain
