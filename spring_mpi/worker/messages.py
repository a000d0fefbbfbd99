"""What rank 0, workers and children say to each other: frozen, picklable values.

Orders go down (rank 0 -> worker -> child), reports come up.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..events.event import EventRef
from ..events.reading.calibration import Calibration
from ..events.reading.suspects import NOTHING_SUSPECT, Suspects
from ..launch.devices import Gpu
from ..model.outcome import Outcome
from ..model.settings import Settings
from ..system.relayed_warnings import RelayedWarning


@dataclass(frozen=True)
class Job:
    """All that a child needs to make one result."""

    name: str
    """``pid`` or ``pid-tag``, perhaps with ``~2``; keys the random numbers and names the file."""
    tag: str
    event: EventRef
    calibration: Calibration
    cropsize: int
    size: int
    settings: Settings
    seed: int
    fingerprint: str
    result: str
    """Path of the result file."""
    checkpoint: str
    """Path of the file that keeps the state until the result is complete."""
    checkpoint_every: int
    """Generations between two saved states."""
    room: float = 3600.0
    """Seconds that its files may wait for space on the disk (``workers.room``)."""
    command: str = ""
    """Command line of the campaign, for the record."""
    former_fingerprint: str = ""
    """By the rule of version 0.1.0, whose checkpoints are used, too; empty where there is none."""
    suspects: Suspects = NOTHING_SUSPECT
    """Raw values that the result is to tell of."""


@dataclass(frozen=True)
class Equipment:
    """What a worker is given: by the config for all of them, by the placement for each."""

    device: str = "cpu"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:K``."""
    threads: int = 1
    timeout: float = 600.0
    """Seconds without progress after which a child is hung."""
    sharers: int = 1
    """Workers that share its device, at most."""
    host: str = ""
    """Where the worker is."""
    gpu: Gpu | None = None
    """The only GPU that the child shall see; None: those that the worker sees."""
    cpus: tuple[int, ...] = ()
    """Processors that its threads are bound to; empty: those of the worker."""


# ---- orders


@dataclass(frozen=True)
class Assign:
    """Run these jobs: several as one population where that is possible, else one by one."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class Cancel:
    """Stop this job if it runs here."""

    name: str


@dataclass(frozen=True)
class Quit:
    """End the child and the worker."""


Order = Assign | Cancel | Quit

# ---- reports


@dataclass(frozen=True)
class Ready:
    """A child is up and has its device, which tells its name only now."""

    host: str
    device: str
    """Name of the device, as people know it."""
    load: float
    """Share of the device in use by others, 0 to 1."""
    gpu: int | None = None
    """Its id as ``nvidia-smi`` counts; None for a processor."""

    @property
    def label(self) -> str:
        """Device and host, for people."""
        return f"{self.device} on {self.host}"


@dataclass(frozen=True)
class Progressed:
    """A job came so far."""

    name: str
    generation: int
    generations: int
    best: float
    median: float


@dataclass(frozen=True)
class Alive:
    """The child is at work; for its worker only."""


@dataclass(frozen=True)
class Remark:
    """What the log should say of a job that goes on."""

    name: str
    text: str
    """Without the name, which comes before it."""
    is_fault: bool


@dataclass(frozen=True)
class Printed:
    """What a worker's child wrote on its stdout and stderr."""

    text: str
    """Complete lines."""


@dataclass(frozen=True)
class Done:
    """A job's result file is complete."""

    outcome: Outcome
    """As far as its child knows it."""
    masks: tuple[str, ...] = ()
    """Of its pattern; see `events.event.Exclusion`."""

    @property
    def name(self) -> str:
        """Of the job."""
        return self.outcome.name


@dataclass(frozen=True)
class Failed:
    """A job cannot be done; it is not tried again by itself."""

    name: str
    reason: str
    details: str = ""
    """Traceback where the fault is not the user's."""


@dataclass(frozen=True)
class Unwritable:
    """A job's result cannot be written, for a reason that concerns all jobs."""

    name: str
    reason: str


@dataclass(frozen=True)
class Stopped:
    """A job was stopped as ordered."""

    name: str


@dataclass(frozen=True)
class Lost:
    """A job's child died or hung; it may be tried again."""

    name: str
    reason: str
    is_innocent: bool = False
    """The child was ended because of another job: this attempt does not count."""


@dataclass(frozen=True)
class Gone:
    """The worker can do no more work."""

    reason: str


Report = (
    Ready
    | Progressed
    | Alive
    | Remark
    | Printed
    | RelayedWarning
    | Done
    | Failed
    | Unwritable
    | Stopped
    | Lost
    | Gone
)
