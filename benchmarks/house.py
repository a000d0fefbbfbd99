"""The shape of the code: lines, modules with one importer, and circles of imports.

Run as ``python benchmarks/house.py [FOLDER]``; the folder is that of the package. Lines of code are
those that hold a token other than a comment or a docstring; imports within functions count as
arrows, those under ``TYPE_CHECKING`` do not.
"""

from __future__ import annotations

import ast
import io
import json
import statistics
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common import options

PACKAGE = Path(__file__).parents[1] / "spring_mpi"
_LAYOUT = (
    tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING,
    tokenize.ENDMARKER,
)  # fmt: skip
_LONG = 300
"""Lines above which a file is long."""


@dataclass(frozen=True)
class Lines:
    """How many lines of each kind a file has."""

    all: int
    code: int
    comments: int

    @classmethod
    def of(cls, text: str) -> Lines:
        """Those of a file of Python."""
        docstrings = {line for node in ast.walk(ast.parse(text)) for line in _docstring(node)}
        code, comments = set(), set()
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            covered = range(token.start[0], token.end[0] + 1)
            if token.type == tokenize.COMMENT:
                comments.update(covered)
            elif token.type not in _LAYOUT:
                code.update(covered)
        return cls(len(text.splitlines()), len(code - docstrings), len(comments))


def _docstring(node: ast.AST) -> Iterator[int]:
    """Lines of the texts that stand alone below a definition: docstrings, also of attributes."""
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


class Imports(ast.NodeVisitor):
    """The modules of the package that a module imports."""

    def __init__(self, module: str, is_package: bool, modules: set[str]) -> None:
        self.found: set[str] = set()
        self._modules = modules
        self._home = module.split(".") if is_package else module.split(".")[:-1]

    def visit_If(self, node: ast.If) -> None:
        """Leave out what only type checkers read."""
        name = node.test.attr if isinstance(node.test, ast.Attribute) else None
        name = node.test.id if isinstance(node.test, ast.Name) else name
        for statement in node.orelse if name == "TYPE_CHECKING" else [*node.body, *node.orelse]:
            self.visit(statement)

    def visit_Import(self, node: ast.Import) -> None:
        self.found |= {alias.name for alias in node.names} & self._modules

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = self._home[: len(self._home) + 1 - node.level] if node.level else []
        origin = ".".join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            deeper = f"{origin}.{alias.name}"
            self.found |= {deeper if deeper in self._modules else origin} & self._modules


def arrows(package: Path) -> dict[str, set[str]]:
    """Module -> the modules of the package that it imports."""
    files = {_name(path, package): path for path in package.rglob("*.py")}
    found = {}
    for name, path in files.items():
        imports = Imports(name, path.name == "__init__.py", set(files))
        imports.visit(ast.parse(path.read_text("utf-8")))
        found[name] = imports.found - {name}
    return found


def _name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that reach each other: strongly connected components of two and more."""
    order: list[str] = []
    seen: set[str] = set()
    for module in arrows:
        _walk(module, arrows, seen, order.append)
    backwards: dict[str, set[str]] = defaultdict(set)
    for module, imported in arrows.items():
        for other in imported:
            backwards[other].add(module)
    groups, taken = [], set()
    for module in reversed(order):
        group: list[str] = []
        _walk(module, backwards, taken, group.append)
        if len(group) > 1:
            groups.append(sorted(group))
    return groups


def _walk(module, arrows, seen, leave) -> None:  # type: ignore[no-untyped-def]
    """Depth first, without recursion; ``leave`` gets a module after all that it leads to."""
    stack = [(module, False)]
    while stack:
        current, is_left = stack.pop()
        if is_left:
            leave(current)
        elif current not in seen:
            seen.add(current)
            stack.append((current, True))
            stack += [(other, False) for other in sorted(arrows.get(current, ()))]


def figures(package: Path) -> dict[str, float]:
    """The figures of a package."""
    lines = [Lines.of(path.read_text("utf-8")) for path in package.rglob("*.py")]
    imported = arrows(package)
    importers: dict[str, int] = defaultdict(int)
    for others in imported.values():
        for other in others:
            importers[other] += 1
    groups = circles(imported)
    code = sum(file.code for file in lines)
    return {
        "modules": len(lines),
        "lines": sum(file.all for file in lines),
        "lines of code": code,
        "comment lines per 100 of code": round(
            100 * sum(file.comments for file in lines) / code, 1
        ),
        "median lines of a file": statistics.median(file.all for file in lines),
        f"files of more than {_LONG} lines": sum(file.all > _LONG for file in lines),
        "modules with exactly one importer": sum(count == 1 for count in importers.values()),
        "arrows": sum(map(len, imported.values())),
        "circles of modules": len(groups),
        "modules in circles": sum(map(len, groups)),
    }


def main() -> None:
    """Print the figures, and the circles."""
    parser = options(__doc__ or "")
    parser.add_argument("package", nargs="?", type=Path, default=PACKAGE)
    arguments = parser.parse_args()
    found = figures(arguments.package)
    width = max(map(len, found))
    for label, value in found.items():
        print(f"{label:{width}s} {value:8.10g}")
    for group in circles(arrows(arguments.package)):
        print("circle:", ", ".join(group))
    if arguments.json:
        arguments.json.write_text(json.dumps({"figures": found}))


if __name__ == "__main__":
    sys.exit(main())
