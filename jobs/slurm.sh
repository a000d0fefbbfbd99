#!/bin/bash
# A campaign on SLURM: sbatch jobs/slurm.sh CONFIG
# Rank 0 hands out the jobs, every other task is a worker. Change the lines marked EDIT.
#SBATCH --job-name=spring
#SBATCH --ntasks=17                 # EDIT: workers + 1
#SBATCH --cpus-per-task=1
#SBATCH --time=04:00:00             # EDIT
#SBATCH --output=spring-%j.out
#SBATCH --open-mode=append
#SBATCH --requeue                   # after a preemption it resumes by itself
#SBATCH --signal=B:USR1@120         # two minutes before the end: stop in order, exit 3
set -u

config=${1:?usage: sbatch jobs/slurm.sh CONFIG}
# EDIT: what makes spring-batch and mpirun available, such as
# module load openmpi && source "$HOME/spring-mpi/.venv/bin/activate"

# The batch shell gets the signal and passes it on. It must not wait in the foreground, since bash
# runs a trap only between commands; and it waits twice, since the trap ends the first wait.
trap 'kill -USR1 "$launcher"' USR1
mpirun --bind-to none -n "$SLURM_NTASKS" spring-batch "$config" &
launcher=$!
wait "$launcher"
wait "$launcher"
exit $?
