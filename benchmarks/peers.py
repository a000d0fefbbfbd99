"""Other packages on the job of `engine.py`, where they are installed.

PyNX comes with Debian's backports (python3-pynx; the package of that name on the Python package
index is another one), cohere_core by pip. Both are driven through their own classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO

import numpy as np
from loops import BETA, Engine, Job, Loop
from numpy.fft import ifftshift


def pynx(job: Job, count: int) -> Engine:
    """PyNX, on what it finds or ``PYNX_PU`` says; zero frequency and object at [0, 0]."""
    from pynx.cdi import CDI, ER, HIO

    intensity = np.where(job.measured, job.amplitude**2, np.float32(-1e20))
    cdis = [
        CDI(
            ifftshift(intensity), support=ifftshift(job.support),
            obj=ifftshift(start).astype(np.complex64),
        )
        for start in job.starts(count)
    ]  # fmt: skip

    def iterate(algorithm: str, iterations: int) -> None:
        steps = {"HIO": HIO(beta=BETA, positivity=True), "ER": ER(positivity=True)}[algorithm]
        for cdi in cdis:
            steps**iterations * cdi

    return Engine(iterate, lambda: np.stack([cdi.get_obj(shift=True).real for cdi in cdis]))


def cohere(job: Job, count: int) -> Engine:
    """cohere's numpy engine: no positivity, and unmeasured pixels count as measured zeros."""
    from cohere_core.controller.phasing import Rec

    data = ifftshift(np.where(job.measured, job.amplitude, 0)) * job.size
    reconstructions = [Rec({}, "", "np", debug=True) for _ in range(count)]
    for rec, start in zip(reconstructions, job.starts(count), strict=True):
        rec.data, rec.dims, rec.dev, rec.viewer = data, data.shape, "cpu", None
        rec.ds_image = start.astype(np.complex64)

    def iterate(algorithm: str, iterations: int) -> None:
        for rec in reconstructions:
            rec.params["algorithm_sequence"] = f"{iterations}*{algorithm}"
            with redirect_stdout(StringIO()):
                rec.init_iter_loop()
                rec.support = job.support
                rec.iterate()

    return Engine(iterate, lambda: np.abs([rec.ds_image for rec in reconstructions]))


def peers() -> Iterator[Loop]:
    """The packages that are installed."""
    for name, module, make in (
        ("PyNX", "pynx", pynx),
        ("cohere (numpy)", "cohere_core", cohere),
    ):
        if find_spec(module):
            yield Loop(name, make)
