"""Facts that the files of the project repeat are the same in all of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

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
