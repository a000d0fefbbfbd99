"""``spring-index`` builds and describes, and tells mistakes in a line."""

from __future__ import annotations

import argparse
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spring_mpi.cli import guarded, positive
from spring_mpi.cli.index import main
from spring_mpi.errors import SourceError
from spring_mpi.events import load_index


def build(run: Path, *more: str) -> int:
    """Build the index of the run beside it."""
    output = str(run.parent / "index.h5")
    return main(["build", str(run), "--dataset", "data", "-o", output, *more])


def test_build(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The index is written and counted."""
    assert build(run, "--pid", "train", "--pid", "pulse") == 0
    assert capsys.readouterr().out == f"{run.parent / 'index.h5'}: 6 events in 1 sources\n"
    assert load_index(run.parent / "index.h5").pid(0) == (7, 0)


def test_build_warns_of_duplicates(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Events that share a pid are counted on stderr."""
    assert build(run, "--pid", "train") == 0
    assert capsys.readouterr().err == "6 events share their pid with others\n"


def test_info(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The description tells events, pids, frames, duplicates and what changed since."""
    build(run, "--run", "34")
    os.utime(run, ns=(1, 1))
    capsys.readouterr()
    assert main(["info", str(run.parent / "index.h5")]) == 0
    told = {
        line[:12].strip().removesuffix(":"): line[12:].strip()
        for line in capsys.readouterr().out.splitlines()
    }
    assert (told["events"], told["pid"], told["range"]) == ("6", "run, row", "34-0 to 34-5")
    assert (told["frames"], told["duplicates"]) == ("5 x 7 uint16 data", "0")
    assert (told["stale"], told[""]) == ("1", f"{run} was written to since it was indexed")
    assert told["rebuild"].startswith("spring-index build ")


@pytest.mark.parametrize(
    "argv", [["build", "nowhere-*.h5"], ["info", "nowhere.h5"]], ids=["build", "info"]
)
def test_mistakes(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake exits with 2, a line on stderr and no traceback."""
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert "nowhere" in captured.err


def test_data_are_not_replaced(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Data named as output are refused and stay as they are."""
    before = run.read_bytes()
    assert main(["build", str(run), "--dataset", "data", "-o", str(run)]) == 2
    assert "choose another name" in capsys.readouterr().err
    assert run.read_bytes() == before


@pytest.mark.parametrize("number", ["-5", "99999999999999999999999"])
def test_runs_out_of_range(number: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that no pid can hold is a mistake, and no index is written."""
    assert build(run, "--run", number) == 2
    captured = capsys.readouterr()
    assert (f"not {number}\n" in captured.err, captured.err.count("\n")) == (True, 1)
    assert not (run.parent / "index.h5").exists()


@pytest.mark.parametrize("argv", [["--help"], ["build", "--help"], ["info", "--help"]])
def test_help_has_an_example(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Help exits with 0 and shows a command to copy."""
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 0
    assert "example:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "code"), [(SourceError("mend it"), 2), (KeyboardInterrupt(), 130)]
)
def test_guarded(fault: BaseException, code: int) -> None:
    """A user's fault gives 2, Ctrl-C gives 130."""

    def fail() -> int:
        raise fault

    assert guarded(fail) == code


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/a/b.log"),
            "/a/b.log: Permission denied",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError("of a library"), "of a library"),
    ],
)
def test_guarded_tells_what_the_system_refuses(
    fault: OSError, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that cannot be used is one line that names it, and 2."""

    def fail() -> int:
        raise fault

    assert guarded(fail) == 2
    assert capsys.readouterr() == ("", f"{told}\n")


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "x", "", " 2"])
def test_positive(text: str) -> None:
    """Digits of at least 1 are the number that they say, all else is refused with its text."""
    assert [positive(str(number)) for number in (1, 10, 10**30)] == [1, 10, 10**30]
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        positive(text)
    assert str(caught.value) == f"must be a whole number of at least 1, not {text!r}"


def test_guarded_passes_programming_errors() -> None:
    """A fault of ours is not hidden."""
    with pytest.raises(ZeroDivisionError):
        guarded(lambda: 1 // 0)


def test_events_are_light() -> None:
    """Importing the package of events loads no heavy library."""
    heavy = "{'h5py', 'scipy', 'matplotlib', 'yaml', 'mpi4py'}"
    code = f"import sys, spring_mpi.events; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
