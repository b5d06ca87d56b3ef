import CMPIShim

// Open MPI's handles are pointers, those of MPICH and its family (Intel, Cray) are numbers.
#if MPICH
    typealias CommHandle = MPI_Comm
    typealias WindowHandle = MPI_Win
    typealias RequestHandle = MPI_Request
#else
    typealias CommHandle = MPI_Comm?
    typealias WindowHandle = MPI_Win?
    typealias RequestHandle = MPI_Request?
#endif
