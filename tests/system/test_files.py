"""How bytes reach the disk: whole and in place, or nothing has changed."""

from __future__ import annotations

import ast
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import spring_mpi
from spring_mpi.system.files import LineFile, aside_of, replace_file, write_new

STEPS = ("open", "write", "fsync", "close", "rename")


def failing(number: int, *, after: int = 0) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A call that fails with an error, once it was made so many times; calls that fail do act."""
    count = 0

    def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            result = call(*args, **options)
            if count > after:
                raise OSError(number, os.strerror(number))
            return result

        return wrapped

    return wrap


@pytest.mark.parametrize("step", STEPS[1:-1])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_fault_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    """It is told with the name of the file, and nothing lies beside that."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, step, failing(number)(getattr(os, step)))
        with pytest.raises(OSError) as caught:
            replace_file(path, b"new")
    assert caught.value.errno == number
    assert str(tmp_path) in caught.value.filename
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_fault_of_the_folder_leaves_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the rename the file is complete; the fault is told, and the call may be repeated."""
    path = tmp_path / "a"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(errno.EIO, after=1)(os.fsync))
        with pytest.raises(OSError, match="Input/output error"):
            replace_file(path, b"new")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_folders_that_cannot_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems sync no folders; that is no fault."""
    monkeypatch.setattr(os, "fsync", failing(errno.EINVAL, after=1)(os.fsync))
    replace_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("kept", [b"", b"ne", b"not", b"newer"])
def test_what_is_read_back_must_be_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bytes
) -> None:
    """Bytes that the disk lost or changed without a word are a fault."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    write = os.write

    def lie(descriptor: int, content: bytes) -> int:
        write(descriptor, kept)
        return len(content)

    monkeypatch.setattr(os, "write", lie)
    with pytest.raises(OSError, match="written"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


@given(content=st.binary(max_size=50), at_once=st.integers(1, 7))
def test_writes_of_some_bytes_go_on(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, at_once: int
) -> None:
    """A system that takes a few bytes at once gets all of them."""
    path = tmp_path_factory.mktemp("short") / "a"
    with pytest.MonkeyPatch.context() as patch:
        write = os.write
        patch.setattr(os, "write", lambda file, data: write(file, data[:at_once]))
        replace_file(path, content)
    assert path.read_bytes() == content


def test_links_are_not_written_into(tmp_path: Path) -> None:
    """A link that lies where a file is written first is deleted, and not followed."""
    (tmp_path / "other").write_bytes(b"theirs")
    aside_of(tmp_path / "a").symlink_to(tmp_path / "other")
    replace_file(tmp_path / "a", b"new")
    assert (tmp_path / "other").read_bytes() == b"theirs"
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "other", b"ours")
    assert (tmp_path / "other").read_bytes() == b"theirs"


@pytest.mark.parametrize("name", ["n" * 255, "ü" * 127])
def test_the_longest_names(tmp_path: Path, name: str) -> None:
    """A name that the file system allows can be written."""
    replace_file(tmp_path / name, b"new")
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("step", ["write", "fsync"])
def test_lines_are_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Also where they cannot be cut off at once: the next ones take their place."""
    file = LineFile(tmp_path / "a", is_durable=True)
    file.append(b"first\n")
    with monkeypatch.context() as patch:
        patch.setattr(os, step, failing(errno.EIO)(getattr(os, step)))
        patch.setattr(os, "ftruncate", failing(errno.EIO)(lambda *args: None))
        with pytest.raises(OSError, match="Input/output error"):
            file.append(b"second\nthird\n")
    file.append(b"fourth\n")
    file.close()
    assert (tmp_path / "a").read_bytes() == b"first\nfourth\n"


def test_a_stale_handle_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a fault the file is opened anew, for the server may have forgotten the old handle."""
    file = LineFile(tmp_path / "a", is_durable=True)
    file.append(b"first\n")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", failing(errno.ESTALE)(lambda *args: 0))
        with pytest.raises(OSError, match="Stale"):
            file.append(b"second\n")
    os.rename(tmp_path / "a", tmp_path / "b")
    (tmp_path / "a").write_bytes(b"first\n")
    file.append(b"second\n")
    file.close()
    assert (tmp_path / "a").read_bytes() == b"first\nsecond\n"


def test_lines_that_were_lost_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A durable file that is shorter than what was written is a fault, not a new beginning."""
    file = LineFile(tmp_path / "a", is_durable=True)
    file.append(b"first\n")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", failing(errno.EIO)(lambda *args: 0))
        with pytest.raises(OSError, match="Input/output error"):
            file.append(b"second\n")
    os.truncate(tmp_path / "a", 2)
    with pytest.raises(OSError, match="has lost lines"):
        file.append(b"second\n")


def test_one_module_brings_bytes_to_the_disk() -> None:
    """What has to last, or to replace a file at once, is written by `system.files` alone."""
    package = Path(spring_mpi.__file__).parent
    found = {
        str(module.relative_to(package))
        for module in package.rglob("*.py")
        for node in ast.walk(ast.parse(module.read_bytes()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in {("os", "fsync"), ("os", "replace")}
    }
    assert found == {"system/files.py"}
