"""How bytes reach the disk: a file is complete and in its place, or nothing has changed."""

from __future__ import annotations

import codecs
import errno
import os
from contextlib import suppress
from pathlib import Path

Bytes = bytes | memoryview
_BLOCK = 2**20
_LONGEST_NAME = 255
"""Bytes of a file's name on all common file systems."""
_CANNOT_SYNC_FOLDERS = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)


def replace_file(path: Path, content: Bytes, aside: Path | None = None, mode: int = 0) -> None:
    """Write a file aside, check it, and rename it into place.

    A reader sees the old file or the new one. Whatever fails before the rename leaves the old one;
    if only the folder cannot be synced afterwards, the new one is in place and complete, and the
    call may be repeated.

    Parameters
    ----------
    aside
        Where it is written first, in the same file system; default: hidden beside it, see
        `aside_of`. What a killed process left there is deleted.
    mode
        Permissions, whatever the umask is; 0: as the umask has it.

    Raises
    ------
    OSError
        With the name of the file.
    """
    aside = aside or aside_of(path)
    try:
        aside.unlink(missing_ok=True)
        # First the bytes to the disk, then the name, then the folder: after a power failure the
        # name stands for the whole old file or the whole new one.
        write_new(aside, content, mode)
        try:
            os.rename(aside, path)
        except BaseException:
            delete(aside)
            raise
        sync_folder(path.parent)
    except OSError as fault:
        raise named(fault, path) from fault


def read_text(path: str | os.PathLike[str], errors: str = "strict") -> str:
    """Text that people write, see `decoded`; its lines may end in any way.

    Raises
    ------
    OSError
        If the file cannot be read; `UnicodeDecodeError` if it is no such text.
    """
    with open(path, "rb") as file:
        text = decoded(file.read(), errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def decoded(content: bytes, errors: str = "strict") -> str:
    """The text of a file: UTF-8, or UTF-16 where a mark (BOM) at the beginning says so.

    Editors and shells on Windows write such marks, which are left out.

    Raises
    ------
    UnicodeDecodeError
        If it is something else.
    """
    is_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_16 else "utf-8-sig", errors)


def write_new(path: Path, content: Bytes, mode: int = 0) -> None:
    """Write a new file to the disk and read it back, or leave none.

    Raises
    ------
    FileExistsError
        If there is one.
    OSError
        If the bytes cannot be written, or are not what is read afterwards.
    """
    # New and no link: nothing that somebody laid there is written into.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            if mode:
                os.fchmod(descriptor, mode)
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            # Network file systems may tell only now that there was no room.
            os.close(descriptor)
        _check(path, content)
    except BaseException as fault:
        delete(path)
        if isinstance(fault, OSError):
            raise named(fault, path) from fault
        raise


def aside_of(path: Path) -> Path:
    """Where this process writes a file before it is renamed: ``.<name>.<process id>``."""
    ending = f".{os.getpid()}"
    kept = os.fsencode(path.name)[-(_LONGEST_NAME - 1 - len(ending)) :]
    return path.with_name(f".{os.fsdecode(kept)}{ending}")


def sync_folder(folder: Path) -> None:
    """Let a rename in the folder outlast a power failure, where the file system can do that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as fault:
        if fault.errno not in _CANNOT_SYNC_FOLDERS:
            raise


def write_all(descriptor: int, content: Bytes) -> None:
    """Write all bytes, also where the system takes only some at once."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def delete(path: Path) -> None:
    """Delete a file where that can be done."""
    with suppress(OSError):
        path.unlink()


def named(fault: OSError, path: Path) -> OSError:
    """The same fault with the name of the file, which calls on descriptors do not know."""
    return OSError(fault.errno, fault.strerror or str(fault), str(path))


def _check(path: Path, content: Bytes) -> None:
    """Raise `OSError` if the file does not hold these bytes."""
    expected = memoryview(content)
    with open(path, "rb", buffering=0) as file:
        length = 0
        while block := file.read(_BLOCK):
            if block != expected[length : length + len(block)]:
                raise OSError(errno.EIO, "what is read is not what was written")
            length += len(block)
    if length != len(expected):
        raise OSError(errno.EIO, f"{length} bytes are read, {len(expected)} were written")


class LineFile:
    """A text file that grows by whole lines; a torn last line is cut off when it is opened.

    After a fault the next `append` opens the file anew, for the handle may be stale, and cuts off
    what the fault left.

    Parameters
    ----------
    is_durable
        Whether lines are on the disk when `append` returns.

    Raises
    ------
    OSError
        If it cannot be opened for writing.
    """

    def __init__(self, path: Path, *, is_durable: bool) -> None:
        self.path, self._is_durable = path, is_durable
        self._descriptor: int | None = self._opened()
        self.length = _complete_length(path)
        """Bytes that are known to be there."""
        os.ftruncate(self._descriptor, self.length)

    def append(self, lines: bytes) -> None:
        """Append complete lines.

        Raises
        ------
        OSError
            With the name of the file; then none of the lines will stay.
        """
        try:
            if self._descriptor is None:
                self._descriptor = self._opened()
                self._cut(self._descriptor)
            write_all(self._descriptor, lines)
            if self._is_durable:
                os.fsync(self._descriptor)
                # A file server that failed over may have lost lines that it had acknowledged.
                if os.fstat(self._descriptor).st_size != self.length + len(lines):
                    raise OSError(errno.EIO, "its length is not that of the lines in it")
        except OSError as fault:
            self._abandon()
            raise named(fault, self.path) from fault
        self.length += len(lines)

    def close(self) -> None:
        """Close the file; what is not on the disk yet, the system brings there."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None

    def _opened(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def _cut(self, descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        if size < self.length and self._is_durable:
            raise OSError(errno.EIO, f"it has lost lines: {size} bytes are left of {self.length}")
        self.length = min(self.length, size)
        os.ftruncate(descriptor, self.length)

    def _abandon(self) -> None:
        """Cut off what a fault left as far as that works, and let the file go."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.ftruncate(descriptor, self.length)
            with suppress(OSError):
                os.close(descriptor)


def _complete_length(path: Path) -> int:
    """Bytes up to the end of the last complete line."""
    with open(path, "rb") as file:
        position = file.seek(0, os.SEEK_END)
        while position > 0:
            step = min(position, 4096)
            position -= step
            file.seek(position)
            newline = file.read(step).rfind(b"\n")
            if newline >= 0:
                return position + newline + 1
        return 0
