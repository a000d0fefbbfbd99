"""The names of LCLS-I data sources: addresses such as ``CxiDg2.0:Tm6740.0``.

Numbers and names as in SLAC's pdsdata and xtcdata (``DetInfo``, ``BldInfo``); they are only ever
appended to, so that old files keep their meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ....errors import SourceError

_SOURCE, _REPORTER = 1, 6
_LEVELS = ("Control", "Source", "Segment", "Event", "Recorder", "Observer", "Reporter")

_DETECTORS = (
    "NoDetector", "AmoIMS", "AmoGD", "AmoETOF", "AmoITOF", "AmoMBES", "AmoVMI", "AmoBPS", "Camp",
    "EpicsArch", "BldEb", "SxrBeamline", "SxrEndstation", "XppSb1Ipm", "XppSb1Pim", "XppMonPim",
    "XppSb2Ipm", "XppSb3Ipm", "XppSb3Pim", "XppSb4Pim", "XppGon", "XppLas", "XppEndstation",
    "AmoEndstation", "CxiEndstation", "XcsEndstation", "MecEndstation", "CxiDg1", "CxiDg2",
    "CxiDg3", "CxiDg4", "CxiKb1", "CxiDs1", "CxiDs2", "CxiDsu", "CxiSc1", "CxiDsd", "XcsBeamline",
    "CxiSc2", "MecXuvSpectrometer", "MecXrtsForw", "MecXrtsBack", "MecFdi", "MecTimeTool",
    "MecTargetChamber", "FeeHxSpectrometer", "XrayTransportDiagnostic", "Lamp", "MfxEndstation",
    "MfxDg1", "MfxDg2", "XrtDiag", "DetLab",
)  # fmt: skip

_DEVICES = (
    "NoDevice", "Evr", "Acqiris", "Opal1000", "Tm6740", "pnCCD", "Princeton", "Fccd", "Ipimb",
    "Encoder", "Cspad", "AcqTDC", "Xamps", "Cspad2x2", "Fexamp", "Gsc16ai", "Phasics", "Timepix",
    "Opal2000", "Opal4000", "OceanOptics", "Opal1600", "Opal8000", "Fli", "Quartz4A150", "Andor",
    "USDUSB", "OrcaFl40", "Imp", "Epix", "Rayonix", "EpixSampler", "Pimax", "Fccd960", "Epix10k",
    "Epix100a", "EpixS", "Gotthard", "DualAndor", "Wave8", "LeCroy", "ControlsCamera", "Archon",
    "Jungfrau", "Zyla", "Epix10ka", "Pixis", "Uxi", "Epix10ka2M", "StreakC7700", "Epix10kaQuad",
    "JungfrauSegment", "JungfrauSegmentM2", "JungfrauSegmentM3", "JungfrauSegmentM4", "iStar",
    "QuadAdc", "Alvium",
)  # fmt: skip

_BEAMLINE = {0: "EBeam", 1: "PhaseCavity", 2: "FEEGasDetEnergy", 26: "GMD"}


def address(log: int, phy: int) -> str:
    """Name of the source with these two words.

    ``Detector.N:Device.M`` for a detector; the name of beam-line data; else the level and the two
    numbers. Numbers without a name stay numbers.
    """
    level = log >> 24
    if level == _SOURCE:
        detector, device = _named(_DETECTORS, phy >> 24), _named(_DEVICES, phy >> 8 & 0xFF)
        return f"{detector}.{phy >> 16 & 0xFF}:{device}.{phy & 0xFF}"
    if level == _REPORTER:
        return _BEAMLINE.get(phy, f"Bld{phy}")
    return f"{_named(_LEVELS, level)}({log & 0xFFFFFF}, {phy:#010x})"


def find_address(name: str, known: Iterable[str]) -> str | None:
    """The one known address that a name stands for; None if there is none.

    A name may leave out numbers, or one of the two parts: ``CxiDg2:Tm6740``, ``Tm6740.0``,
    ``CxiDg2``; it may be written ``DetInfo(CxiDg2.0:Tm6740.0)`` or ``CxiDg2-0|Tm6740-0``. Case
    does not matter.

    Raises
    ------
    SourceError
        If it stands for several.
    """
    wanted = _plain(name)
    found = [address for address in dict.fromkeys(known) if _matches(wanted, address.casefold())]
    exact = [address for address in found if address.casefold() == wanted]
    if len(found) > 1 and not exact:
        raise SourceError(f"{name!r} stands for {', '.join(found)}; name one of them (dataset)")
    return next(iter(exact or found), None)


def _named(names: tuple[str, ...], number: int) -> str:
    return names[number] if number < len(names) else str(number)


def _plain(name: str) -> str:
    inner = re.fullmatch(r"\w+Info\((.*)\)", name.strip())
    text = (inner[1] if inner else name.strip()).casefold()
    return text.replace("-", ".").replace("|", ":") if "|" in text else text


def _matches(wanted: str, known: str) -> bool:
    parts, known_parts = wanted.split(":"), known.split(":")
    if len(parts) == len(known_parts):
        return all(map(_same, parts, known_parts))
    return len(parts) == 1 and any(_same(wanted, part) for part in known_parts)


def _same(wanted: str, part: str) -> bool:
    return wanted in (part, part.rpartition(".")[0])
