"""Numbers of modules in the names of sources."""

from __future__ import annotations

import pytest

from spring_mpi.events.formats.euxfel.modules import Module, module_of


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("SPB_DET_AGIPD1M-1/DET/7CH0:xtdf/image/data", Module(7, 0)),
        ("SPB_DET_AGIPD1M-1/CORR/15CH0:output", Module(15, 0)),
        ("SPB_IRDA_JF4M/DET/JNGFR03:daqOutput", Module(3, 1)),
        ("SPB_IRDA_JF4M/CORR/JNGFR08:output", Module(8, 1)),
        ("SPB_IRDA_JNGFR/DET/MODULE_1:daqOutput", Module(1, 1)),
        ("FXE_XAD_JF1M/DET/RECEIVER-2", Module(2, 1)),
        ("FXE_XAD_JF500K/DET/JNGFR03:daqOutput", Module(3, 3)),
        ("HED_IA1_JF500K2/DET/JNGFR02:daqOutput", Module(2, 2)),
        ("FXE_DET_LPD_SOLO/DET/5CH0:xtdf", Module(5, 5)),
        ("MID_EXP_EPIX-1/DET/RECEIVER:daqOutput", None),
        ("HED_IA1_EPX100-1/DET/RECEIVER-1:daqOutput", None),
        ("SPB_IRU_CAM/CAM/SIDEMIC:daqOutput", None),
    ],
)
def test_modules_are_counted_as_the_facility_does(source: str, module: Module | None) -> None:
    """A detector of one module is its first one, whatever its number; JUNGFRAU counts from 1."""
    assert module_of(source) == module
