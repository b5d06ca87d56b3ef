// MPI's constants as functions. Swift imports neither Open MPI's casts of pointers to globals
// (`((MPI_Comm) &ompi_mpi_comm_world)`) nor MPICH's casts of integers (`((MPI_Comm)0x44000000)`).
#ifndef LOCKSTEP_CMPISHIM_H
#define LOCKSTEP_CMPISHIM_H

#include <mpi.h>

/// From here on a process that exits with 0 before MPI_Finalize exits with `code` instead. Open MPI's mpirun takes such a rank for
/// failed by itself, Hydra does not.
void lockstep_refuse_early_success(int code);

static inline MPI_Comm lockstep_MPI_COMM_WORLD(void) { return MPI_COMM_WORLD; }
static inline MPI_Comm lockstep_MPI_COMM_NULL(void) { return MPI_COMM_NULL; }
static inline MPI_Errhandler lockstep_MPI_ERRORS_RETURN(void) { return MPI_ERRORS_RETURN; }
static inline MPI_Op lockstep_MPI_SUM(void) { return MPI_SUM; }
static inline int lockstep_MPI_COMM_TYPE_SHARED(void) { return MPI_COMM_TYPE_SHARED; }
static inline MPI_Info lockstep_MPI_INFO_NULL(void) { return MPI_INFO_NULL; }
static inline MPI_Win lockstep_MPI_WIN_NULL(void) { return MPI_WIN_NULL; }
static inline MPI_Status *lockstep_MPI_STATUSES_IGNORE(void) { return MPI_STATUSES_IGNORE; }
static inline MPI_Request lockstep_MPI_REQUEST_NULL(void) { return MPI_REQUEST_NULL; }
static inline void *lockstep_MPI_IN_PLACE(void) { return MPI_IN_PLACE; }

static inline MPI_Datatype lockstep_MPI_BYTE(void) { return MPI_BYTE; }
static inline MPI_Datatype lockstep_MPI_INT64_T(void) { return MPI_INT64_T; }
static inline MPI_Datatype lockstep_MPI_DOUBLE(void) { return MPI_DOUBLE; }

#endif
