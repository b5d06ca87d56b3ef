#ifndef LOCKSTEP_CMPISHIM_H
#define LOCKSTEP_CMPISHIM_H
#include <mpi.h>
#endif
