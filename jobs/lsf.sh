#!/bin/bash
# A campaign on LSF: bsub < jobs/lsf.sh   (written from its documentation, not run on LSF)
# Rank 0 hands out the jobs, every other slot is a worker. Change the lines marked EDIT.
#BSUB -J spring
#BSUB -n 17                         # EDIT: workers + 1
#BSUB -W 4:00                       # EDIT
#BSUB -q normal                     # EDIT
#BSUB -o spring-%J.out
#BSUB -wt 2 -wa USR1                # two minutes before the end: stop in order, exit 3
set -u

config=configs/demo.yaml            # EDIT
# EDIT: what makes spring-batch and mpirun available, such as
# module load openmpi && source "$HOME/spring-mpi/.venv/bin/activate"

# The shell gets the signal and passes it on; see jobs/slurm.sh for why it waits like this.
trap 'kill -USR1 "$launcher"' USR1
slots=$(wc -l < "$LSB_DJOB_HOSTFILE")
mpirun --bind-to none -n "$slots" spring-batch "$config" &
launcher=$!
wait "$launcher"
wait "$launcher"
exit $?
