#!/bin/bash
# Checks the GPU backend on a bare x86-64 machine with an NVIDIA GPU, CuPy and a scientific Python; needs no network.
#   bash benchmarks/gpu_check.sh
# Reads:  OUT     where report.json, summary.txt, steps.log and the tables go           (default: ./gpu-out)
#         BUDGET  seconds in all, every step included                                   (default: 470)
#         ONLY    names of steps, by commas, to repeat some of them                     (default: all)
#         FAKE=1  a dry run without GPU, on the tests' stand-in for CuPy
# Exit code: 0 all steps passed, 1 some failed, 2 the machine lacks what is needed, 3 there is no GPU.
began=$(date +%s)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 2
project=$(dirname "$here")
out=${OUT:-$PWD/gpu-out}; budget=${BUDGET:-470}
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 2
fail() { echo "gpu_check: $1" | tee -a "$out/summary.txt" >&2; exit 2; }
python=$(command -v python3) || fail "there is no python3"
"$python" -c 'import numpy, scipy, h5py, yaml, matplotlib, rich, pytest, pytest_timeout, xdist, hypothesis' ||
    fail "the packages of the extra spring-mpi[test] are not all installed"
work=$(mktemp -d "${TMPDIR:-/tmp}/spring-gpu.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 143' TERM INT
# A copy of its own, so that nothing is left in the checkout; kernels in C are built for this machine.
(cd "$project" && tar cf - --exclude='*.so' spring_mpi tests benchmarks pyproject.toml setup.py jobs) |
    tar xf - -C "$work" || fail "cannot copy the checkout"
commit=$(git -C "$project" rev-parse HEAD 2>/dev/null || echo unknown)
# What importlib.metadata wants to know; pip is not needed for it.
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$work/pyproject.toml" | head -1)
site=$work/site; info=$site/spring_mpi-$version.dist-info; mkdir -p "$info"
printf 'Metadata-Version: 2.1\nName: spring-mpi\nVersion: %s\n' "$version" > "$info/METADATA"
export PYTHONPATH=$work:$site PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MPLBACKEND=Agg
export CUPY_CACHE_DIR=$work/cupy-cache OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TMPDIR=$work HOME=$work
export SPRING_GPU_COMMIT=$commit SPRING_GPU_WORK=$work
if [ "$FAKE" = 1 ]; then
    mkdir -p "$work/bin"; printf '#!/bin/sh\necho "0, GPU-aa11, NVIDIA Fake 1, 7, 10, 24576"\n' > "$work/bin/nvidia-smi"
    chmod +x "$work/bin/nvidia-smi"
    export PATH=$work/bin:$PATH PYTHONPATH=$work/tests/helpers/fakegpu:$work/tests:$PYTHONPATH SPRING_FAKE_FOLDER=$work
fi
left=$((budget - $(date +%s) + began))
cd "$work" || exit 2
# The report has a deadline of its own; this one is for the case that it hangs.
timeout -k 10 $((left + 15)) "$python" "$work/benchmarks/gpu_check/report.py" run --work "$work" --out "$out" --budget "$left" \
    ${FAKE:+--fake} ${ONLY:+--only "$ONLY"}
code=$?
[ $code = 124 ] && echo "gpu_check: the report itself did not end in time" | tee -a "$out/summary.txt"
exit $code
