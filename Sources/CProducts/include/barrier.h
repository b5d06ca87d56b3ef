// A barrier for processes that share memory, or for threads.
#ifndef LOCKSTEP_BARRIER_H
#define LOCKSTEP_BARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes that a barrier of `size` members needs: zero at first, aligned to 64, and seen by all of them.
size_t lockstep_barrier_bytes(long size);

// Called when a wait becomes long, and once more when it ends.
typedef void lockstep_waiting(void *context, bool waits);

// Returns once every member has called it with this number. Everything that a member wrote before it is then seen by all.
//   number    1 for the first use of the barrier, then 2 and so on; after 2^32 - 1 comes 0
//   waiting   may be NULL
// Returns false if a member has left.
bool lockstep_barrier(void *barrier, long rank, long size, uint32_t number, lockstep_waiting *waiting, void *context);

// From now on nobody waits at the barrier.
void lockstep_leave_barrier(void *barrier);

#endif
