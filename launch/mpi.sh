# Sourced by the other scripts: the MPI that lockstep is built for and runs with. LOCKSTEP_BUILD_MPI in the environment names
# it; else the last choice of `launch/setup --mpi`, kept in launch/.mpi; else it is Open MPI, as in a package. Sets
#   LOCKSTEP_BUILD_MPI   openmpi, mpich, or pkg-config's name of another MPI of MPICH's family (Intel's is impi); for Package.swift
#   build                the build folder: one for each family
#   binaries             the folder of the program
#   packaged             true in a package of launch/package, which has the program but no sources
#   launcher             the program that starts ranks; if both families are installed, mpirun may belong to the other
#   settings             the file with settings for ranks and launcher
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
packaged=false
if [[ -x ${here%/*}/bin/lockstep ]]; then
    packaged=true LOCKSTEP_BUILD_MPI=openmpi
elif [[ -z ${LOCKSTEP_BUILD_MPI-} && -e $here/.mpi ]]; then
    LOCKSTEP_BUILD_MPI=$(<"$here/.mpi")
fi
export LOCKSTEP_BUILD_MPI=${LOCKSTEP_BUILD_MPI:-openmpi}
if [[ $LOCKSTEP_BUILD_MPI == openmpi ]]; then
    build=.build launcher=mpirun settings=$here/openmpi.env
else
    build=.build-mpich launcher=mpiexec.hydra settings=$here/mpich.env
    # Cray's. Open MPI's mpiexec says "mpiexec (OpenRTE)" or "mpiexec (Open MPI)".
    if ! command -v "$launcher" >/dev/null && command -v mpiexec >/dev/null && [[ $(mpiexec --version 2>&1) != *\(Open* ]]; then
        launcher=mpiexec
    fi
fi
if $packaged; then binaries=${here%/*}/bin; else binaries=${here%/*}/$build/release; fi
