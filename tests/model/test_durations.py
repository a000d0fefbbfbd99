"""Times as SLURM and LSF have them."""

from __future__ import annotations

from math import inf

import pytest

from spring_mpi.model.durations import TimeLimit, seconds_meant, time_limit

H, D = 3600, 86400


@pytest.mark.parametrize(
    ("text", "slurm", "lsf"),
    [
        ("90", 90 * 60, 90 * 60),
        ("1:30", 90, 90 * 60),
        ("30:00", 30 * 60, 30 * H),
        ("100:00", 100 * 60, 100 * H),
        ("4:00:00", 4 * H, 4 * H),
        ("0:0:30", 30, 30),
        ("1-0", D, D),
        ("2-12", 2 * D + 12 * H, 2 * D + 12 * H),
        ("1-06:30", D + 6.5 * H, D + 6.5 * H),
        ("0-00:00:59", 59, 59),
        ("1-00:00:00", D, D),
        ("UNLIMITED", inf, inf),
        ("infinite", inf, inf),
    ],
)
def test_forms(text: str, slurm: float, lsf: float) -> None:
    """Two numbers are minutes and seconds for one, hours and minutes for the other."""
    assert time_limit(text, "slurm") == TimeLimit(slurm)
    assert time_limit(text, "lsf") == TimeLimit(lsf)


def test_zero() -> None:
    """No limit for SLURM, nothing that LSF could have meant."""
    assert time_limit("0", "slurm").minutes is None
    with pytest.raises(ValueError, match="must be M, H:M"):
        time_limit("0", "lsf")


def test_hosts() -> None:
    """LSF's times may name the host, or the model, whose speed they count in."""
    assert time_limit("4:30/hostA", "lsf") == TimeLimit(4.5 * H, "hostA")
    for text in ("90/", "UNLIMITED/hostA"):
        with pytest.raises(ValueError, match="/HOST"):
            time_limit(text, "lsf")
    with pytest.raises(ValueError, match="as SLURM reads them, not '90/a'"):
        time_limit("90/a", "slurm")


@pytest.mark.parametrize(
    "text", ["", "soon", "4h", "1:2:3:4", "1-", "-5", "1-2:", "1.5", "1:123", "٣"]
)
def test_other_text(text: str) -> None:
    with pytest.raises(ValueError, match="must be M, M:S"):
        time_limit(text, "slurm")


def test_minutes_are_rounded_up() -> None:
    assert [time_limit(f"0:0:{one}", "lsf").minutes for one in (1, 59, 60)] == [1, 1, 1]
    assert time_limit("61:01", "slurm").minutes == 62


def test_what_means_the_same_everywhere() -> None:
    assert seconds_meant("0:10:00") == 600
    assert seconds_meant("1-00:00") == D
    assert [seconds_meant(text) for text in ("10:00", "10", "a", "1-2-3")] == [None] * 4
