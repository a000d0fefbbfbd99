"""What became of a job, in one type: from its child over the journal to ``summary.csv``.

A field of `Outcome` is declared once, with how it stands in the journal and in ``summary.csv``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from .verdict import Verdict, caption, trust

if TYPE_CHECKING:
    from .result import Result


class State(StrEnum):
    """Of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REMOVED = "removed"
    STOPPED = "stopped"

    @property
    def is_over(self) -> bool:
        """Whether nothing more becomes of the job by itself."""
        return self not in (State.WAITING, State.RUNNING)


def tally(counts: Mapping[State, int] | Mapping[str, int]) -> str:
    """Jobs by state, for people: ``3 done, 1 failed``; empty where there are none."""
    counted = {state: counts.get(state, 0) for state in State}
    return ", ".join(f"{number} {state}" for state, number in counted.items() if number)


def _declared(
    default: Any = MISSING,
    *,
    kw_only: bool = True,
    written: Callable[[Any], str] = str,
    read: Callable[[str], Any] = str,
    is_kept: bool = False,
    is_figure: bool = False,
) -> Any:
    """A field of `Outcome`.

    Parameters
    ----------
    written, read
        Its text in ``summary.csv`` and the inverse; None is an empty text.
    is_kept
        Whether the journal has it, from which a restart writes the column again; what the plan
        knows is left out there.
    is_figure
        Whether every job that is done has had it from the first version on, so that its absence
        is told as null.
    """
    metadata = {
        "written": written,
        "read": read,
        "is_kept": is_kept or is_figure,
        "is_figure": is_figure,
    }
    return field(default=default, kw_only=kw_only, metadata=metadata)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _listed() -> Any:
    """A field of several texts, which ``summary.csv`` joins by semicolons."""
    return _declared(
        (),
        written=lambda texts: _one_line("; ".join(texts)),
        read=lambda text: tuple(text.split("; ")),
        is_kept=True,
    )


_EARLIER_ENGINE = "made by engine revision "
_TRUTHS = {"True": True, "False": False}


def _finite(text: str) -> float | None:
    # Version 0.1.0 wrote inf where there is no resolution.
    return value if math.isfinite(value := float(text)) else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job; the fields in the order of the columns of ``summary.csv``."""

    name: str = _declared(kw_only=False, is_kept=True)
    pid: str = _declared("")
    """Of its event, as text; the same for all variants of the settings."""
    tag: str = _declared("")
    verdict: Verdict | None = _declared(None, read=Verdict, is_kept=True)
    """How far to believe the result; None where there is none, or nobody judged it."""
    score: float | None = _declared(None, written="{:.3f}".format, read=_finite, is_kept=True)
    """For sorting within a verdict, 0 (no trust) to 1."""
    error: float | None = _declared(None, written="{:.6g}".format, read=_finite, is_figure=True)
    """None where there is no result."""
    resolution_px: float | None = _declared(
        None, written="{:.4g}".format, read=_finite, is_figure=True
    )
    """None where there is none, and in outcomes that nobody judged; see `Result`."""
    support_px: int | None = _declared(None, read=int, is_figure=True)
    seconds: float | None = _declared(None, written="{:.2f}".format, read=float, is_figure=True)
    worker: int | None = _declared(None, read=int, is_kept=True)
    file: str = _declared("")
    """The result of a job that is done, relative to the run directory."""
    remark: str = _declared("", written=_one_line, is_kept=True)
    """What sets it apart from the other results of the campaign."""
    state: State = _declared(read=State, is_kept=True)
    reason: str = _declared("", written=_one_line, is_kept=True)
    """Why it failed, or how else it came to its end."""
    warnings: tuple[str, ...] = _listed()
    """What is odd about its event and its pattern."""
    reasons: tuple[str, ...] = _listed()
    """Of the verdict: why it is not good, or what else a person should know, a sentence each."""
    is_interior_determined: bool | None = _declared(None, read=_TRUTHS.__getitem__, is_kept=True)
    """Whether the data say how the density is spread within the support; None where not known."""
    generations_run: int | None = _declared(None, read=int, is_kept=True)
    """Generations of all runs together; None where the result does not tell."""
    swept: tuple[tuple[str, str], ...] = field(default=(), kw_only=True)
    """(swept setting, its value as text); a column each, behind the others."""

    @classmethod
    def of(cls, result: Result, warnings: tuple[str, ...] = ()) -> Outcome:
        """What a job came to that has this result, as far as the result tells."""
        return cls(
            result.name,
            state=State.DONE,
            verdict=result.verdict,
            score=float(result.score) if math.isfinite(result.score) else None,
            error=result.error,
            resolution_px=result.resolution_px,
            support_px=result.support_px,
            seconds=result.provenance.seconds,
            warnings=warnings,
            reasons=result.reasons,
            is_interior_determined=result.is_interior_determined,
            generations_run=sum(result.generations_run) or None,
        )._believable()

    @property
    def caption(self) -> str:
        """Verdict, error, and of a good result the resolution, for people."""
        return caption(self.verdict, self.score, self.error, self.resolution_px)

    @property
    def first_reason(self) -> str:
        """The first reason of the verdict, and how many more there are; empty where none is."""
        if not self.reasons:
            return ""
        first, *more = self.reasons
        return f"{first}; and {len(more)} more" if more else first

    @property
    def is_of_earlier_engine(self) -> bool:
        """Whether an earlier revision of the engine made its result, as the remark says."""
        return _EARLIER_ENGINE in self.remark

    def made_by_engine(self, revision: int) -> Outcome:
        """The same with that revision in its remark, unless one is there already."""
        if self.is_of_earlier_engine:
            return self
        told = f"{_EARLIER_ENGINE}{revision}"
        return replace(self, remark="; ".join(filter(None, [self.remark, told])))

    @property
    def trust(self) -> tuple[int, float, float]:
        """A key that sorts the most trusted first: by verdict, score, then error."""
        is_known = self.error is not None and math.isfinite(self.error)
        return *trust(self.verdict, self.score), (self.error or 0.0) if is_known else math.inf

    def _believable(self) -> Outcome:
        """Without a resolution that nobody judged: earlier versions took it within one population,
        where it says nothing of how right a result is."""
        is_unjudged = self.verdict is None and self.resolution_px is not None
        return replace(self, resolution_px=None) if is_unjudged else self

    def to_line(self) -> dict[str, Any]:
        """What the journal keeps of it, in values of JSON; see `from_line`."""
        is_done = self.state is State.DONE
        return {
            key: value
            for name, key, default, is_figure in _KEPT
            if (value := getattr(self, name)) != default or (is_figure and is_done)
        }

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> Outcome:
        """From the line of a job in the journal; whatever else stands there is ignored."""
        known: dict[str, Any] = {name: line[key] for name, key, _, _ in _KEPT if key in line}
        known["state"] = State(line["state"])
        for name in ("warnings", "reasons"):
            known[name] = tuple(known.get(name, ()))
        if "verdict" in known:
            known["verdict"] = Verdict(known["verdict"])
        return cls(**known)._believable()

    def to_row(self, swept: Iterable[str]) -> list[str]:
        """Its row in ``summary.csv``, whose columns are `columns` of the same swept settings."""
        row = [
            "" if (value := getattr(self, name)) is None else written(value)
            for name, written, _ in _COLUMNS
        ]
        values = dict(self.swept)
        return [*row, *(values.get(key, "") for key in swept)]

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> Outcome:
        """From a row of any version.

        Raises
        ------
        ValueError
            If a field is no value of its column; `TypeError` or `KeyError` if it is missing.
        """
        if "error" not in row or None in row.values():
            raise ValueError(f"it lacks the error or more of {row.get('name')!r}")
        given: dict[str, Any] = {
            name: read(row[name]) for name, _, read in _COLUMNS if row.get(name)
        }
        # Version 0.1.0 wrote only what is done, and no pid.
        given = {"pid": row["name"], "state": State.DONE} | given
        # Only names of settings have a dot.
        swept = tuple((key, text) for key, text in row.items() if key and "." in key)
        return cls(**given, swept=swept)._believable()


# (field, key in the journal, value where it is left out, whether it is a figure)
_KEPT = tuple(
    (item.name, "job" if item.name == "name" else item.name, item.default,
     item.metadata["is_figure"])
    for item in fields(Outcome)
    if item.metadata.get("is_kept")
)  # fmt: skip
# (column, how it is written, how it is read)
_COLUMNS = tuple(
    (item.name, item.metadata["written"], item.metadata["read"])
    for item in fields(Outcome)
    if item.metadata
)


def columns(swept: Iterable[str]) -> list[str]:
    """The columns of ``summary.csv`` of a campaign that varies these settings."""
    return [*(name for name, _, _ in _COLUMNS), *swept]
