"""Settings of Memetic Phase Retrieval, by section and key as in SPRING."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..errors import SettingsError
from .options import Option, option, options, suggest

_FEWEST_ON_ISLAND = 8


@dataclass(frozen=True)
class Global:
    """Size of the search, and what `MPR.run` uses of the machine."""

    generations: int = option(
        100, "number of MPR generations, at most: all runs of a job together", at_least=1
    )
    popsize: int = option(128, "number of reconstructions in the population", at_least=4)
    gpus: int | tuple[int, ...] = option(
        (0,),
        "number of GPUs (least loaded first; <= 0 all), or list of their ids; MPR.run() only",
        instead="workers.device",
    )
    threads: int = option(
        8, "CPU threads per GPU; MPR.run() only", at_least=1, instead="workers.threads"
    )
    bounds: int = option(
        0, "1: missing intensities get an upper bound; 0: they are free", at_least=0, at_most=1
    )
    workdir: str = option(
        "./", "where MPR.run() saves its result; MPR.run() only", instead="output"
    )
    islands: int = option(
        1, "independent populations of popsize/islands individuals each", at_least=1
    )
    stop: Literal["auto", "never"] = option(
        "auto", "auto: a run ends when it has converged; never: after all generations"
    )
    runs: int = option(
        3,
        "independent runs, as far as generations suffice: the first one is the result, the others "
        "say how far to believe it",
        at_least=1,
        at_most=3,
    )


@dataclass(frozen=True)
class Init:
    """The initial population: superposed spheres in a support of given size."""

    gamma: float = option(
        0.5, "exponent of the start profile (1 - r^2/R^2)^gamma; 0.5 is a sphere", above=0, below=2
    )
    supportsize: int | Literal["auto"] = option(
        60,
        "initial linear size of the support, in pixels of the rescaled grid; auto: of each event, "
        "from the extent of its object",
        above=1,
    )
    itemsize_min: float = option(
        0.2, "smallest diameter of the start spheres, relative to supportsize", above=0, at_most=1
    )
    itemsize_max: float = option(
        1.0, "largest diameter of the start spheres, relative to supportsize", above=0, at_most=1
    )
    items: int = option(5, "most spheres in a start density", at_least=1)
    shape: Literal["disc", "square"] = option("disc", "shape of the initial support")


@dataclass(frozen=True)
class IA:
    """Iterative algorithms: the improvement of an individual in one generation."""

    it: int = option(50, "iterations of one improvement", at_least=1)
    sequence: str = option(
        "auto", "algorithms of one improvement, such as RAAR*38 + ER*12 + SW; auto makes it from it"
    )
    beta_raar: float = option(0.87, "relaxation of RAAR", above=0, at_most=1)
    beta_hio: float = option(0.9, "feedback of HIO", above=0, at_most=1)


@dataclass(frozen=True)
class DE:
    """Differential evolution: how four individuals are crossed."""

    F: float = option(0.7, "weight of the difference of two donors", at_least=0, at_most=2)
    CR: float = option(
        0.9, "share of pixels that a child takes from its donors", at_least=0, at_most=1
    )
    dither: float = option(0.2, "F is drawn from F +- dither for every child", at_least=0)
    align: bool = option(True, "register the population (shift, twin, phase) before it is crossed")
    start: int = option(
        1,
        "generations before the first crossover; until then every trial is a new start density",
        at_least=0,
    )


@dataclass(frozen=True)
class SW:
    """Shrink-wrap: how a support follows its density."""

    mode: Literal["threshold", "area"] = option(
        "threshold", "keep what exceeds a share of the maximum, or a number of pixels"
    )
    threshold: float = option(0.10, "share of the maximum, threshold mode", above=0, below=1)
    area: float | None = option(
        None, "area of the object in pixels, area mode; null: that of the initial support", above=0
    )
    area_start: float = option(1.6, "support over object area in the first generation", above=0)
    area_end: float = option(
        1.2, "support over object area from three quarters of the generations on", above=0
    )
    elitism: bool = option(
        True, "an improved individual that is less fit than before is undone, threshold mode"
    )
    area_power: float = option(
        0.4, "individuals are compared by error x (support area)^area_power", at_least=0
    )
    sigma_start: float = option(3.0, "blur before the cut, pixels, first generation", at_least=0)
    sigma_end: float = option(1.0, "blur before the cut, pixels, last generation", at_least=0)


@dataclass(frozen=True)
class Object:
    """What is known of the density."""

    constraint: Literal["positive", "real", "complex"] = option(
        "positive", "density real and not negative, real, or complex"
    )

    @property
    def is_real(self) -> bool:
        """Whether the density has no imaginary part."""
        return self.constraint != "complex"

    @property
    def is_positive(self) -> bool:
        """Whether the density is real and nowhere negative."""
        return self.constraint == "positive"


@dataclass(frozen=True)
class Final:
    """What becomes the result."""

    error_factor: float = option(
        1.05, "individuals within this factor of the best fitness are averaged", at_least=1
    )


SECTIONS: dict[str, type] = {
    "global": Global, "init": Init, "IA": IA, "DE": DE, "SW": SW, "object": Object, "final": Final,
}  # fmt: skip


class Settings:
    """Parameters of one reconstruction.

    ``Settings()`` holds the defaults; `set` changes one value in place and returns the object, so
    that calls chain. A job takes a copy when it is made, so later changes do not reach it.
    Read values as ``settings.init.supportsize``; the section ``global`` is ``settings.global_``.
    """

    def __init__(self) -> None:
        self.global_ = Global()
        self.init = Init()
        self.IA = IA()
        self.DE = DE()
        self.SW = SW()
        self.object = Object()
        self.final = Final()
        self.given: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def from_mapping(cls, values: Mapping[str, Mapping[str, Any]]) -> Settings:
        """Settings from nested mappings ``{section: {key: value}}``; see `set` for errors."""
        settings = cls()
        for section, keys in values.items():
            if not isinstance(keys, Mapping):
                raise SettingsError(f"{section} must be a mapping of keys to values, not {keys!r}")
            for key, value in keys.items():
                settings.set(section, key, value)
        return settings

    def set(self, section: str, key: str, value: Any) -> Settings:
        """Change one setting and return the settings.

        Raises
        ------
        SettingsError
            If section or key do not exist, or the value has the wrong type or range.
        """
        known = find_option(section, key)
        try:
            converted = known.convert(value)
        except ValueError as fault:
            raise SettingsError(f"{section}.{key} {fault}") from None
        name = _attribute(section)
        setattr(self, name, replace(getattr(self, name), **{key: converted}))
        self.given |= {(section, key)}
        return self

    def get(self, section: str, key: str) -> Any:
        """One value; raises `SettingsError` where section or key do not exist."""
        find_option(section, key)
        return getattr(self.section(section), key)

    def section(self, name: str) -> Any:
        """All values of one section, an object of its class in `SECTIONS`."""
        return getattr(self, _attribute(name))

    def copy(self) -> Settings:
        """An independent copy."""
        other = Settings()
        other.__dict__.update(self.__dict__)
        return other

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """All values as ``{section: {key: value}}``; tuples become lists."""
        return {
            section: {key: _plain(value) for key, value in vars(self.section(section)).items()}
            for section in SECTIONS
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Settings) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # it can be changed by set()

    def __repr__(self) -> str:
        changes = "".join(f".set({s!r}, {k!r}, {self.get(s, k)!r})" for s, k in sorted(self.given))
        return f"Settings(){changes}"

    def conflicts(self) -> Iterator[tuple[str, str, str]]:
        """(section, key, message) for values that are legal alone but not together."""
        if self.init.itemsize_min > self.init.itemsize_max:
            yield "init", "itemsize_min", f"must be <= init.itemsize_max ({self.init.itemsize_max})"
        if self.init.supportsize == "auto" and self.SW.mode == "area" and self.SW.area is None:
            yield "init", "supportsize", "must be a number where SW.area is made of it"
        if self.SW.area_end > self.SW.area_start:
            yield "SW", "area_end", f"must be <= SW.area_start ({self.SW.area_start})"
        least = 4 * self.global_.islands
        if self.global_.popsize < least:
            yield "global", "popsize", f"must be >= {least}: a crossover needs 4 in every island"
        elif self.global_.popsize % self.global_.islands:
            yield "global", "islands", f"must divide global.popsize ({self.global_.popsize})"

    def cautions(self) -> Iterator[str]:
        """What is legal, and known to harm; a sentence each."""
        count, islands = self.global_.popsize // self.global_.islands, self.global_.islands
        if islands > 1 and count < _FEWEST_ON_ISLAND:
            yield (
                f"global.islands: {islands} of {count} individuals each; fewer than "
                f"{_FEWEST_ON_ISLAND} on one find less (raise global.popsize, or leave islands out)"
            )

    def info(self) -> None:
        """Print the table of all settings."""
        print(self.table())

    def table(self) -> str:
        """All settings as a Markdown table, sections parted by a rule."""
        blocks = [[("Section", "Name", "Value", "Type", "Range", "Description")]]
        for section, kind in SECTIONS.items():
            blocks.append(list(self._rows(section, kind)))
        widths = [max(len(row[i]) for block in blocks for row in block) for i in range(6)]
        rule = "| " + " | ".join(":" + "-" * (width - 2) + ":" for width in widths) + " |"
        lines: list[str] = []
        for block in blocks:
            lines += ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in block]
            lines.append(rule)
        return "\n".join(lines)

    def _rows(self, section: str, kind: type) -> Iterator[tuple[str, str, str, str, str, str]]:
        label = section
        for key in options(kind):
            value = str(_plain(self.get(section, key.name)))
            cells = (key.name, value, key.type_name, str(key.range))
            for text in textwrap.wrap(key.text, 50):
                yield (label, *cells, text)
                label, cells = "", ("", "", "", "")


def all_options() -> dict[str, Option]:
    """The options of all sections by their names, ``section.key``."""
    return {
        f"{section}.{key.name}": key for section, kind in SECTIONS.items() for key in options(kind)
    }


def find_option(section: str, key: str) -> Option:
    """The option of that section and key; raises `SettingsError` with the nearest known name."""
    if section not in SECTIONS:
        raise SettingsError(f"no section {section!r} in the settings{suggest(section, SECTIONS)}")
    known = {found.name: found for found in options(SECTIONS[section])}
    if key not in known:
        raise SettingsError(f"no setting {section}.{key}{suggest(key, known)}")
    return known[key]


def _attribute(section: str) -> str:
    return "global_" if section == "global" else section


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
