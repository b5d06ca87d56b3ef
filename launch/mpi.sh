# Sourced by the scripts beside it: the MPI that lockstep is built for and runs with. The environment's LOCKSTEP_BUILD_MPI says
# it; else what `launch/setup --mpi` was told last, kept in launch/.mpi; else it is Open MPI, as in a package. Sets
#   LOCKSTEP_BUILD_MPI   openmpi, mpich, or pkg-config's name of another MPI of MPICH's family (Intel's is impi); for Package.swift
#   build                the folder that lockstep is built in: the families keep apart
#   binaries             the folder that the program is in
#   packaged             true in a package of launch/package, which has the program and no sources
#   launcher             the program that starts ranks; where both families are installed, mpirun may belong to the other
#   settings             the file with settings for ranks and launcher
here=$(dirname "${BASH_SOURCE[0]}")
packaged=false
if [[ -x $here/../bin/lockstep ]]; then
    packaged=true LOCKSTEP_BUILD_MPI=openmpi
elif [[ -z ${LOCKSTEP_BUILD_MPI-} && -e $here/.mpi ]]; then
    LOCKSTEP_BUILD_MPI=$(<"$here/.mpi")
fi
export LOCKSTEP_BUILD_MPI=${LOCKSTEP_BUILD_MPI:-openmpi}
if [[ $LOCKSTEP_BUILD_MPI == openmpi ]]; then
    build=.build launcher=mpirun settings=$here/openmpi.env
else
    build=.build-mpich launcher=mpiexec.hydra settings=$here/mpich.env
    command -v "$launcher" >/dev/null || launcher=mpiexec # Cray's
fi
if $packaged; then binaries=$here/../bin; else binaries=$here/../$build/release; fi
