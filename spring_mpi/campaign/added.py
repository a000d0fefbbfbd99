"""Jobs that people add to a living campaign: their requests become blueprints.

A request is kept in the journal as it came, with what its spool file told (``pid``, ``bytes``), so
that a restart makes the same job of it. Settings without a tag get one that tells them::

    {"job": "71-1-145"}                                                        a known job, again
    {"pid": [71, 1, 145], "tag": "supportsize=90", "set": {"init.supportsize": 90}}    an event
    {"spool": "spool/x.npz", "tag": "", "settings": {...}, "cropsize": 1024, "size": 256,
     "satvalue": 30000.0, "seed": 1, "pid": [71, 1, 145], "bytes": 9438000}    a pattern from Python
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from zipfile import BadZipFile

from ..config.sweep import value_text
from ..engine.requirements import check
from ..errors import SettingsError, SourceError
from ..events.event import EventRef, Source
from ..events.formats.npz import NpzReader
from ..events.reading.calibration import Calibration
from ..events.specs import ArraySpec
from ..model.names import FULL, file_name, job_name, parse_pid
from ..model.settings import Settings
from ..rank0.jobs import Request
from .blueprint import Blueprint
from .plan import LONGEST_NAME, Plan
from .recipe import of_spooled

_LONGEST_TAG = 80


def requested(plan: Plan, arguments: Mapping[str, Any]) -> list[tuple[str, Request]]:
    """(name, request) of the jobs that a message asks for.

    Raises
    ------
    SpringError
        If an event, a setting or a file is not as it should be.
    """
    if "spool" in arguments:
        request = dict(arguments) | _looked_into(plan, str(arguments["spool"]))
        made = blueprint(plan, request)
        return [(job_name(made.event.pid, made.tag), request)]
    tag, changes = arguments["tag"], dict(arguments["set"])
    return [_of_event(plan, item, tag, changes) for item in arguments["jobs"]]


def blueprint(plan: Plan, request: Request) -> Blueprint:
    """What a requested job is made from; errors as in `requested`."""
    if "job" in request:
        return plan.blueprint(request["job"])
    made = _spooled(plan, request) if "spool" in request else _indexed(plan, request)
    check(made.settings, made.size)
    if not made.tag.isprintable() or len(job_name(made.event.pid, made.tag)) > LONGEST_NAME:
        raise SettingsError(
            f"tag {made.tag[:40]!r} must be printable, and the job's name at most {LONGEST_NAME} "
            "characters"
        )
    if plan.config.quick is not None and made.tag.endswith(FULL):
        raise SettingsError(f"tag {made.tag!r}: names that end with {FULL} are those of full jobs")
    return made


def _of_event(plan: Plan, item: str, tag: str, changes: dict[str, Any]) -> tuple[str, Request]:
    if plan.knows(item) and not (tag or changes):
        return item, {"job": item}
    try:
        pid = parse_pid(item)
    except ValueError:
        known = "is a job: give its event's pid for one with another tag or settings"
        unknown = "is no job of this campaign, and no pid"
        raise SourceError(f"{item!r} {known if plan.knows(item) else unknown}") from None
    tag = tag or _telling_tag(plan, changes)
    request = {"pid": list(pid), "tag": tag, "set": changes}
    blueprint(plan, request)
    return job_name(pid, tag), request


def _telling_tag(plan: Plan, changes: Mapping[str, Any]) -> str:
    """``supportsize=90,beta_raar=0.8``, as a file name may have it; a long one is cut."""
    settings = _changed(plan, changes)
    pairs = (f"{name.split('.')[1]}={value_text(settings.get(*name.split('.')))}"
             for name in changes)  # fmt: skip
    tag = file_name(",".join(pairs))
    if len(tag) <= _LONGEST_TAG:
        return tag
    # What was cut may be all that parts it from another tag.
    return f"{tag[: _LONGEST_TAG - 9]}-{hashlib.blake2b(tag.encode(), digest_size=4).hexdigest()}"


def _changed(plan: Plan, changes: Mapping[str, Any]) -> Settings:
    """The config's settings with changes by name, ``section.key``."""
    settings = plan.config.settings.copy()
    for name, value in changes.items():
        section, dot, key = name.partition(".")
        if not dot:
            raise SettingsError(f"{name!r} is no setting; write it as init.supportsize")
        settings.set(section, key, value)
    return settings


def _indexed(plan: Plan, request: Request) -> Blueprint:
    config, settings = plan.config, _changed(plan, request["set"])
    return Blueprint(
        tag=request["tag"],
        event=plan.index.ref(plan.index.find(tuple(request["pid"]))),
        calibration=plan.calibration,
        cropsize=config.pattern.cropsize,
        size=config.pattern.size,
        settings=settings,
        seed=config.seed,
        recipe=plan.recipe(settings),
    )


def _looked_into(plan: Plan, spool: str) -> Request:
    """What the journal has to keep of a spooled pattern: a restart does without the file."""
    path = (plan.folder / spool).resolve()
    if not path.is_relative_to(plan.folder.resolve() / "spool") or not path.is_file():
        raise SourceError(f"no file {spool!r} in the spool folder of {plan.folder}")
    try:
        pids = NpzReader().scan(str(path), dataset=None, pid="pid").pids
    except (OSError, ValueError, BadZipFile) as fault:
        raise SourceError(f"cannot use {path}: {fault}; submit the pattern again") from fault
    if pids is None:
        raise SourceError(f"{path} has no pid")
    return {"pid": pids[0].tolist(), "bytes": path.stat().st_size}


def _spooled(plan: Plan, request: Request) -> Blueprint:
    # Without the time of its last change: a run directory may be copied.
    source = Source(str((plan.folder / request["spool"]).resolve()), "npz", request["bytes"])
    settings = Settings.from_mapping(request["settings"])
    cropsize, size, seed = (int(request[key]) for key in ("cropsize", "size", "seed"))
    calibration = Calibration(
        background=ArraySpec(dataset="background"),
        gain=ArraySpec(dataset="gain"),
        satvalue=request.get("satvalue"),
    )
    return Blueprint(
        tag=str(request["tag"]),
        event=EventRef(tuple(request["pid"]), source, "pattern", 0),
        calibration=calibration,
        cropsize=cropsize,
        size=size,
        settings=settings,
        seed=seed,
        recipe=of_spooled(calibration, settings, cropsize, size, seed),
    )
