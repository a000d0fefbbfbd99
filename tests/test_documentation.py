"""What the documentation says holds: its code runs, its configs load, its links lead somewhere."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from helpers.documentation import (
    ROOT,
    Block,
    agrees,
    blocks,
    commands,
    furnish,
    pages,
    parse_command,
    shell,
    transcript,
)

from spring_mpi.client.interactive import shared
from spring_mpi.config.config import Config, load_config
from spring_mpi.engine.certainty import verdict
from spring_mpi.model.options import options

LANGUAGES = {"bash", "console", "text", "python", "yaml", "toml", "ini"}
PAGES_WITH_CODE = [page for page in pages() if blocks(page)]
FEW = "--set settings.global.generations=2 --set settings.global.popsize=4 --workers 2 --quiet"
FEWER = {
    '"generations", 20': '"generations", 2', "generations: 20": "generations: 2",
    '"popsize", 16': '"popsize", 4',
}  # fmt: skip


def a_shot() -> dict[str, Any]:
    """A frame and its mask, as a reader of README has them."""
    with h5py.File("data/run34/shots_r0071.cxi") as file:
        frame = file["entry_1/data_1/data"][0]
    return {"frame": frame, "mask": np.load("data/run34/mask.npy")}


GIVEN: dict[str, Callable[[], dict[str, Any]]] = {
    "README.md": a_shot,
    "docs/howto/event-index.md": lambda: {"rank": 0, "size": 2},
    "docs/howto/geometry.md": lambda: {"stack": np.ones((1, 64, 64), np.uint16)},
}
"""Page -> names that its programs take for granted."""
EARLIER = {"README.md": [f"spring-batch configs/demo.yaml {FEW}"]}
"""Page -> what its reader has done before."""


@pytest.fixture
def folder(tmp_path: Path, launcher: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder of a reader who follows a page."""
    furnish(tmp_path, launcher[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    shared.cache_clear()  # another page's has another folder
    yield tmp_path
    shared().close()


@pytest.mark.parametrize("page", PAGES_WITH_CODE)
def test_blocks_of_a_page(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order: programs and commands run, and print what stands below them."""
    names: dict[str, Any] = {"__name__": "__main__", **GIVEN.get(page, dict)()}
    for before in EARLIER.get(page, ()):
        shell(before, folder)
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{block}: say what language it is in"
        text = as_here(block.text, folder)
        for words in commands(block) if block.language in ("bash", "console", "text") else ():
            parse_command(words, monkeypatch)
        match block.language:
            case "yaml":
                check_config(text, folder, block)
            case "toml":
                tomllib.loads(text)
            case "python":
                code = compile(text, str(block), "exec")
                if block.title:
                    (folder / block.title).write_text(text)
                elif not block.not_run:
                    with contextlib.redirect_stdout(io.StringIO()):
                        exec(code, names)
            case "bash":
                shell(text, folder, check_only=bool(block.not_run))
            case "console":
                for command, expected in transcript(text):
                    printed = shell(command, folder, check_only=bool(block.not_run))
                    assert block.not_run or agrees(printed, expected), f"{block}:\n{printed}"


def as_here(text: str, folder: Path) -> str:
    """With the data of this folder, and with less to compute: the law is that it runs."""
    for words, ours in {"/data/run34": f"{folder}/data/run34", **FEWER}.items():
        text = text.replace(words, ours)
    return text


def check_config(text: str, folder: Path, block: Block) -> None:
    """A config, or some of its keys or of those of ``data``, completed; left in the folder."""
    given = yaml.safe_load(text)
    top = {option.name for option in options(Config)}
    if not given.keys() <= top:
        text = f"data:\n{textwrap.indent(textwrap.dedent(text), '  ')}"
        given = {"data": yaml.safe_load(textwrap.dedent(block.text))}
    needed = (("name", "page"), ("data.source", "a.cxi"), ("pattern.cropsize", 64))
    missing = [f"{key}={value}" for key, value in needed if not is_given(given, key)]
    file = folder / (block.title or f"{given.get('name', 'config')}.yaml")
    file.write_text(text)
    load_config(file, missing)


def is_given(config: dict[str, Any], path: str) -> bool:
    """Whether a key stands in a config."""
    section, _, key = path.rpartition(".")
    return key in (config.get(section, {}) if section else config)


def test_limits_of_the_verdict() -> None:
    """The conventions have those that the engine uses."""
    page = (ROOT / "docs/reference/conventions.md").read_text(encoding="utf-8")
    chi = f"unless `chi` is at most {verdict.CHI}"
    low = f"or `low_excess` at most {verdict.LOW_ENOUGH}"
    for row in (
        f"`typical_excess`, {chi} {low} | above {verdict.TYPICAL} | |",
        f"`excess`, {chi} | above {verdict.EXCESS:.2f} | |",
        f"`low_excess`, {chi} | above {verdict.LOW}, or {verdict.LOW_WITHOUT_CENTRE} where "
        f"`missing_speckles` is above {verdict.HIDDEN:.0f} | above {verdict.LOW_BAD:.2f} |",
        f"`noise` | above {verdict.NOISE} | above {verdict.NOISE_BAD:.2f} |",
        f"`floor` | above {verdict.FLOOR} | |",
        f"`friedel` | above {verdict.FRIEDEL:.2f} | above {verdict.FRIEDEL_BAD:.2f} |",
        f"`extent` | below {verdict.SMALL:.0f} px | below {verdict.SMALL_BAD:.0f} px |",
        f"`extent / size` | above {verdict.LARGE} | above {verdict.LARGE_BAD} |",
    ):
        assert f"| {row}\n" in page
    assert f"more than {verdict.SPECKLES} missing" in page
    assert f"a second part that holds more than {verdict.PART} of" in page


def test_links_lead_somewhere() -> None:
    """Files and headings that pages link to are there; mkdocs looks at those of the site, too."""
    wrong = []
    for page in [*pages(), "CHANGELOG.md"]:
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            file, _, anchor = link.partition("#")
            if re.match(r"\w+:", link):
                continue
            target = (ROOT / page).parent / file if file else ROOT / page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                wrong.append(f"{page}: {link}")
    assert not wrong


def prose(page: str) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^( *)```.*?^\1```$", "", (ROOT / page).read_text(), flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links."""
    text = prose(str(page.resolve().relative_to(ROOT)))
    included = re.findall(r"^<!-- include: (.*\.md) -->$", text, re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", "".join([text, *map(prose, included)]), re.MULTILINE)
    words = (re.sub(r"[^\w\s-]", "", heading.lower()).strip() for heading in headings)
    return {re.sub(r"[-\s]+", "-", text) for text in words}


def test_files_that_the_program_names() -> None:
    """Pages that messages, docstrings and configs point to are there."""
    files = [
        *ROOT.glob("spring_mpi/**/*.py"), *ROOT.glob("spring_mpi/**/*.c"),
        *ROOT.glob("configs/*"), *ROOT.glob("jobs/*"), ROOT / "README.md", ROOT / "CONTRIBUTING.md",
    ]  # fmt: skip
    named = {name for file in files for name in re.findall(r"docs/[\w/.-]+\.md", file.read_text())}
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_documented_names_are_there() -> None:
    """What the reference of Python lists can be imported under that name."""
    text = (ROOT / "docs/reference/python.md").read_text()
    names = re.findall(r"^::: (\S+)$", text, re.MULTILINE)
    assert len(names) > 15
    assert [name for name in names if not is_there(name)] == []


def is_there(name: str) -> bool:
    """Whether a module has that name, or a module has something of that name."""
    module, _, last = name.rpartition(".")
    with contextlib.suppress(ImportError):
        return hasattr(importlib.import_module(module), last) or bool(importlib.import_module(name))
    return False
