"""Fingerprints by the rule of version 0.1.0, for its run directories.

All settings counted there, with those at their defaults, and neither the preparation's revision nor
the engine's. What that version did not know has to be at its default; else no fingerprint of it can
be of the same job.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from ..events.geometry import FileMask
from ..events.reading.calibration import Calibration
from ..events.specs import ArraySpec
from ..model.settings import Settings

ENGINE = 1
"""Its revision of the engine; its preparation has the number 1, too."""
KEYS: Mapping[str, tuple[str, ...]] = {
    "global": ("generations", "popsize", "bounds", "islands"),
    "init": ("gamma", "supportsize", "itemsize_min", "itemsize_max", "items", "shape"),
    "IA": ("it", "sequence", "beta_raar", "beta_hio"),
    "DE": ("F", "CR", "dither", "align", "start"),
    "SW": (
        "mode", "threshold", "area", "area_start", "area_end", "elitism", "area_power",
        "sigma_start", "sigma_end",
    ),
    "object": ("constraint",),
    "final": ("error_factor",),
}  # fmt: skip
"""The settings that entered a result, by section."""
NOT_COUNTED = ("gpus", "threads", "workdir")
"""Keys of ``global`` that do not enter a result."""
_MASK_KEYS = ("file", "dataset", "bad", "good", "bad_bits")
_ARRAY_KEYS = ("value", "file", "dataset")
_FILE_MASK_KEYS = ("file", "dataset", "good_bits", "bad_bits")


def is_fingerprint(text: str) -> bool:
    """Whether a fingerprint was made by this rule; later ones begin with a number and a colon."""
    return ":" not in text


def recipe(settings: Settings, recorded: str, cropsize: int, size: int, seed: int) -> str:
    """Of all but the event; empty where that version knew no such settings.

    Parameters
    ----------
    recorded
        What is beside the settings: what `calibration` gives with the digest of the user's loader,
        or the saturation value of a pattern from Python.
    """
    values, defaults = settings.to_dict(), Settings().to_dict()
    counted = {section: {key: values[section][key] for key in keys}
               for section, keys in KEYS.items()}  # fmt: skip
    is_known = all(
        key in KEYS.get(section, ())
        or (section == "global" and key in NOT_COUNTED)
        or item == defaults[section][key]
        for section, keys in values.items()
        for key, item in keys.items()
    )
    if not (is_known and recorded):
        return ""
    made_of = [counted, [recorded, cropsize, size], seed]
    return _digest(json.dumps(made_of, sort_keys=True, separators=(",", ":")))


def calibration(
    given: Calibration, file_masks: tuple[FileMask, ...], contents: Mapping[str, str]
) -> str:
    """Of a calibration; empty where that version knew none such.

    Parameters
    ----------
    file_masks
        What the geometry says about masks.
    contents
        Path of each file -> digest of its bytes.
    """
    arrays = (given.background, given.gain, given.center)
    geometry = given.geometry
    if (
        isinstance(given.center, str)
        or isinstance(given.satvalue, str)
        or given.gain_bits is not None
        or any(mask.is_of_frame for mask in given.masks)
        or not all(isinstance(array, ArraySpec) for array in arrays[:2])
        or (geometry is not None and geometry.first_module is not None)
    ):
        return ""

    def stamped(spec: Any, keys: tuple[str, ...]) -> dict[str, Any]:
        values = {key: getattr(spec, key) for key in keys}
        if file := values.get("file"):
            values["file"] = f"{os.path.basename(file)}:{contents[file]}"
        return values

    def array(spec: Any) -> Any:
        return stamped(spec, _ARRAY_KEYS) if isinstance(spec, ArraySpec) else spec

    counted = {
        "masks": [stamped(mask, _MASK_KEYS) for mask in given.masks],
        "background": array(given.background),
        "gain": array(given.gain),
        "center": array(given.center),
        "satvalue": given.satvalue,
    }
    if geometry is not None:
        counted["geometry"] = stamped(geometry, ("file", "quadrants")) | {
            "masks": [stamped(mask, _FILE_MASK_KEYS) for mask in file_masks]
        }
    # With blanks, unlike the recipe: the digests are those of that version.
    return _digest(json.dumps(counted, sort_keys=True))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
