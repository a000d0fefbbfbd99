"""Questions that a process of its own answers, so that what ends or stops it does not end rank 0.

The module that answers is run as ``python -m``; it reads the question from stdin, pickled, and
writes bytes of its own choice to stdout.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

from ..system.parent_death import die_with
from .messages import Equipment
from .supervisor import child_environment


def ask(
    module: str, question: Any, *, timeout: float | None = None
) -> subprocess.CompletedProcess[bytes]:
    """How the process that answers ended, and what it had written by then.

    Parameters
    ----------
    module
        Full name of the module that answers, see `question_of`.
    question
        Anything that can be pickled.
    timeout
        Seconds, after which the process is killed; None: it is waited for.

    Raises
    ------
    OSError
        If the process cannot be started.
    subprocess.TimeoutExpired
        If it did not end in time.
    """
    return subprocess.run(
        [sys.executable, "-m", module, str(os.getpid())],
        input=pickle.dumps(question), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=child_environment(os.environ, Equipment()), timeout=timeout, check=False,
    )  # fmt: skip


@contextlib.contextmanager
def question_of(parent: int) -> Iterator[tuple[Any, BinaryIO]]:
    """In the process that answers: what ``parent`` asks, and where the answer is written to."""
    die_with(parent)
    # What libraries and loaders print must not come between the bytes of the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    with open(answer, "wb") as out:
        yield pickle.load(sys.stdin.buffer), out
