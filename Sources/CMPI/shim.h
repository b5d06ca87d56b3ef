#if !__has_include(<mpi.h>)
#error "no MPI headers: run launch/setup, which installs them; to build for MPICH run launch/setup --mpi mpich"
#endif
#include <mpi.h>
