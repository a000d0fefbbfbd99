#!/bin/bash
# A campaign on GPUs under LSF with jsrun: bsub < jobs/lsf_gpu.sh    (not run on LSF: from its documents)
# A resource set per node with all its GPUs, and as many tasks; the first of them is rank 0, which
# hands out the jobs: one GPU of the first node is left over. Change the lines marked EDIT.
#BSUB -J spring
#BSUB -nnodes 2                     # EDIT
#BSUB -P PROJECT                    # EDIT
#BSUB -W 240                        # EDIT: minutes, as in limit below
#BSUB -o spring-%J.out
#BSUB -wt 2 -wa USR1                # two minutes before the end: stop in order
#BSUB -r                            # after a failure of the host it goes on by itself
#BSUB -Q 99                         # where the time was up: into the queue again
set -u

config=configs/demo.yaml            # EDIT
options=()                          # EDIT: of spring-batch, such as --set workers.per_device=2
limit=240                           # EDIT: minutes, as in -W; 0: not known
# EDIT: what makes spring-batch and mpirun available, such as
# module load openmpi; source "$HOME/spring-mpi/.venv/bin/activate"
gpus=6                              # EDIT: of a node
cores=42                            # EDIT: of a node
launch=(jsrun -r 1 -a "$gpus" -g "$gpus" -c "$cores" -b none)
ranks=$(($(sort -u "$LSB_DJOB_HOSTFILE" | wc -l) - 1))     # resource sets; one host is the launch node
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
