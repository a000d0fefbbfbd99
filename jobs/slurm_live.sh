#!/bin/bash
# A campaign on a run that is still being written: sbatch jobs/slurm_live.sh CONFIG
# The config has data.follow; new events become jobs as they come, until somebody says
# spring-ctl RUNDIR drain. Change the lines marked EDIT; the time is that of the shift.
#SBATCH --job-name=spring-live
#SBATCH --nodes=1                   # EDIT
#SBATCH --gpus-per-node=4           # EDIT
#SBATCH --ntasks-per-node=5         # EDIT: GPUs of a node x workers.per_device, and one more
#SBATCH --cpus-per-task=2
#SBATCH --time=12:00:00             # EDIT
#SBATCH --output=spring-%j.out
# EDIT: --partition and --reservation of the beam time
#SBATCH --open-mode=append
#SBATCH --requeue                   # after a preemption it goes on by itself
#SBATCH --signal=B:USR1@120         # two minutes before the end: stop in order, exit 3
set -u

config=${1:?usage: sbatch jobs/slurm_live.sh CONFIG}
options=(--serve)
# EDIT: what makes spring-batch and mpirun available, such as
# module load openmpi; source "$HOME/spring-mpi/.venv/bin/activate"
launch=(mpirun --bind-to none)      # EDIT: or (srun --mpi=pmix); with MPICH (srun --mpi=pmi2)
ranks=$((SLURM_NNODES * (SLURM_NTASKS_PER_NODE - 1) + 1))
# When the time is up, so that no job is started in vain; newer versions of SLURM say it themselves.
SPRING_END_TIME=${SLURM_JOB_END_TIME:-$(date -d "$(squeue -h -j "$SLURM_JOB_ID" -o %e)" +%s 2>/dev/null)}
export SPRING_END_TIME

# The shell gets the signal and passes it on. It must not wait in the foreground, since bash runs a
# trap only between commands; and it waits twice, since the trap ends the first wait.
noticed=
trap 'noticed=yes; kill -USR1 "$launcher"' USR1
"${launch[@]}" -n "$ranks" spring-batch "$config" "${options[@]}" &
launcher=$!
wait "$launcher"
wait "$launcher"
code=$?
# The time was up before the jobs were done: into the queue again, to go on where it stopped.
if [ "$code" -eq 3 ] && [ -n "$noticed" ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$code"
