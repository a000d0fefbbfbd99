"""Backends: the same operations on a population, each in its own way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import LaunchError

if TYPE_CHECKING:
    from ..population import Backend


def make_backend(device: str) -> Backend:
    """The backend for ``cpu``, ``auto`` or ``cuda[:K]``.

    Raises
    ------
    LaunchError
        If nothing here can use that device.
    """
    if device in ("auto", "cpu"):
        from .reference import ReferenceBackend

        return ReferenceBackend()
    raise LaunchError(
        f"device {device!r}: this version reconstructs on CPUs only; set workers.device to cpu"
    )
