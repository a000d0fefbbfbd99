"""Counter-based random numbers: the same on every backend, rank count, order and restart.

Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC11), section 3.3.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
"""By which the words of the key grow: what the golden ratio and sqrt(3) have behind the point."""
_LOW = 0xFFFFFFFF
_ROUNDS = 10


class Purpose(IntEnum):
    """What a number is for; part of its counter, so that no two uses share numbers."""

    START = 0
    DONORS = 1
    MIXING = 2


def job_key(seed: int, name: str) -> int:
    """64-bit key of a job: the first 64 bits of BLAKE2b over seed and job name."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little")


def philox(counters: NDArray[np.uint64], key: int) -> NDArray[np.uint64]:
    """Philox4x32-10.

    Parameters
    ----------
    counters
        (..., 4), each element a 32-bit word.
    key
        64 bits; the low word is the first key word.

    Returns
    -------
    (..., 4), each element a 32-bit word.
    """
    c0, c1, c2, c3 = np.moveaxis(counters, -1, 0)
    k0, k1 = key & _LOW, key >> 32
    for _ in range(_ROUNDS):
        left = c0 * np.uint64(_MULTIPLIERS[0])
        right = c2 * np.uint64(_MULTIPLIERS[1])
        c0, c2 = (right >> 32) ^ c1 ^ np.uint64(k0), (left >> 32) ^ c3 ^ np.uint64(k1)
        c1, c3 = right & _LOW, left & _LOW
        k0, k1 = (k0 + _WEYL[0]) & _LOW, (k1 + _WEYL[1]) & _LOW
    return np.stack([c0, c1, c2, c3], axis=-1)


def uniforms(
    key: int, purpose: Purpose, generation: int, individual: int, count: int, first: int = 0
) -> NDArray[np.float32]:
    """Uniform numbers ``first`` and on in [0, 1), shape (count,), multiples of 2^-24.

    Number i is word i % 4 of the block with counter (i // 4, individual, generation, purpose).
    """
    blocks = np.arange(first // 4, -(-(first + count) // 4), dtype=np.uint64)
    counters = np.empty((len(blocks), 4), np.uint64)
    counters[:, 0] = blocks
    counters[:, 1:] = (individual, generation, purpose)
    words = philox(counters, key).ravel()[first % 4 :][:count]
    return (words >> 8).astype(np.float32) * np.float32(2.0**-24)
