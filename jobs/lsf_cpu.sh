#!/bin/bash
# A campaign on processors under LSF: bsub < jobs/lsf_cpu.sh    (not run on LSF: from its documents)
# Rank 0 hands out the jobs, every other slot is a worker. Change the lines marked EDIT.
#BSUB -J spring
#BSUB -n 17                         # EDIT: workers, and one more
#BSUB -q normal                     # EDIT
#BSUB -W 240                        # EDIT: minutes, as in limit below
#BSUB -o spring-%J.out
#BSUB -wt 2 -wa USR1                # two minutes before the end: stop in order
#BSUB -r                            # after a failure of the host it goes on by itself
#BSUB -Q 99                         # where the time was up: into the queue again
set -u

config=configs/demo.yaml            # EDIT
options=(--set workers.device=cpu)
limit=240                           # EDIT: minutes, as in -W; 0: not known
# EDIT: what makes spring-batch and mpirun available, such as
# module load openmpi; source "$HOME/spring-mpi/.venv/bin/activate"
launch=(mpirun --bind-to none)
ranks=$(wc -l < "$LSB_DJOB_HOSTFILE")     # a line for every slot
SPRING_END_TIME=$((limit ? $(date +%s) + 60 * limit : 0))
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
# 99 asks LSF (-Q) to run the script again: the time was up before the jobs were done.
if [ "$code" -eq 3 ] && [ -n "$noticed" ]; then code=99; fi
exit "$code"
