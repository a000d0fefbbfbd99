"""Builds the kernels in C, where there is a compiler: one shared object per instruction set."""

from __future__ import annotations

import platform
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FOLDER = Path("spring_mpi/engine/native")
# No -ffast-math: infinite bounds are meant, and some linkers would let it change how the whole
# process rounds. No kernel asks about errno or traps; vectors alias the floats that they hold.
OPTIONS = [
    "-std=gnu11", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math",
    "-fno-strict-aliasing", "-fvisibility=hidden", "-Wno-psabi",
]  # fmt: skip
AVX2 = ["-mavx2", "-mfma"]
AVX512 = [*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"]
IS_X86 = platform.machine() in ("x86_64", "AMD64")


class BuildKernels(build_ext):
    """Objects for ctypes: no name of a Python version in theirs, no initialising function."""

    def get_ext_filename(self, fullname: str) -> str:
        return str(Path(*fullname.split(".")).with_suffix(".so"))

    def build_extension(self, ext: Extension) -> None:
        # All are made of the same sources, but not of the same intermediate files.
        common, self.build_temp = self.build_temp, str(Path(self.build_temp, ext.name))
        super().build_extension(ext)
        self.build_temp = common

    def get_export_symbols(self, ext: Extension) -> list[str]:
        return []


def kernels(instruction_set: str, options: list[str]) -> Extension:
    """The object for one instruction set; without it the installation still succeeds."""
    return Extension(
        f"spring_mpi.engine.native.kernels_{instruction_set}",
        sources=sorted(map(str, FOLDER.glob("*.c"))),
        depends=sorted(map(str, FOLDER.glob("*.h"))),
        extra_compile_args=[*OPTIONS, *options],
        libraries=["m"],
        optional=True,
    )


def main() -> None:
    """What pyproject.toml cannot say."""
    objects = [kernels("generic", [])]
    if IS_X86:
        objects += [kernels("avx2", AVX2), kernels("avx512", AVX512)]
    setup(ext_modules=objects, cmdclass={"build_ext": BuildKernels})


if __name__ == "__main__":
    main()
