// Only for on_exit, which the standard does not know.
#define _DEFAULT_SOURCE
#include "CMPIShim.h"

#include <stdlib.h>
#include <unistd.h>

static void at_exit(int status, void *code) {
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (status == 0 && !finalized) _exit((int)(long)code);
}

void lockstep_refuse_early_success(int code) { on_exit(at_exit, (void *)(long)code); }
