"""What the documentation's site takes from elsewhere: help, files of the root, docstrings."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

ROOT = Path(__file__).resolve().parents[1]
_MARK = re.compile(r"^<!-- (help|include|modules): (.+) -->$", re.MULTILINE)
# What a browser would fetch from somewhere else by itself; links that people follow are none.
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video)\b[^>]*\bsrc=["']?(?:https?:)?//"""
    r"""|<link\b(?![^>]*\brel=["']?canonical)[^>]*\bhref=["']?(?:https?:)?//""",
)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put the help of commands, files, and tables of modules where a page has a mark for them."""
    up = "../" * page.file.src_uri.count("/")
    sources = {"help": _help, "include": partial(_included, up=up), "modules": _modules}
    return _MARK.sub(lambda mark: sources[mark[1]](mark[2]), markdown)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Refuse a page that would load something from the network."""
    if found := _FETCHED.search(output):
        raise PluginError(f"{page.file.src_uri} loads from the network: {found[0]}")
    return output


def _help(command: str) -> str:
    """What ``command --help`` prints, on a terminal of 88 columns."""
    program, *arguments = command.split()
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments, "--help"],
        capture_output=True, text=True, env=os.environ | {"COLUMNS": "88"}, check=False,
    )  # fmt: skip
    if done.returncode:
        raise PluginError(f"{command} --help: {done.stderr}")
    return f"```text\n{done.stdout}```"


def _modules(package: str) -> str:
    """A table of a package's modules with the first sentences of their docstrings."""
    rows = ["| module | one sentence |", "|---|---|"]
    for file in sorted((ROOT / "spring_mpi" / package).glob("[!_]*.py")):
        docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        sentence = " ".join(docstring.partition("\n\n")[0].split())
        rows.append(f"| `{file.stem}` | {sentence.replace('``', '`')} |")
    return "\n".join(rows)


def _included(name: str, up: str) -> str:
    """A file of the root: Markdown without its title, its links those of the page; else a block."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if name.endswith(".md"):
        return re.sub(r"\]\((?:\.\./)?docs/", f"]({up}", text.partition("\n")[2])
    return f"```{Path(name).suffix[1:]}\n{text}```"
