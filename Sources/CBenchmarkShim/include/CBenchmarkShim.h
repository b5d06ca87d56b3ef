// What a benchmark needs that Swift cannot express: loops whose instructions are known, and a count of heap allocations.
#ifndef LOCKSTEP_CBENCHMARKSHIM_H
#define LOCKSTEP_CBENCHMARKSHIM_H

#include <stdbool.h>
#include <stdint.h>

// Vector widths in bytes that these loops come in: 64 and 32 on x86-64, 16 everywhere. True if this processor has it.
bool lockstep_has_vectors(int bytes);

// Fused multiply-adds in registers only, on one core. Returns the floating-point operations done, two for each.
double lockstep_fma(int bytes, int64_t rounds);
// The sum of `count` floats, a multiple of 128: memory that is read. Aligned to 64 bytes.
float lockstep_read(int bytes, const float *a, int64_t count);
// a = b + s c, as the triad of McCalpin's STREAM.
void lockstep_triad(int bytes, float *a, const float *b, const float *c, float s, int64_t count);

typedef struct {
    uint64_t count;
    uint64_t bytes;
    uint64_t own; // of `count`, made by the program and Swift's libraries, not by others
} lockstep_allocations;

// Counts this thread's calls of malloc, calloc, realloc, posix_memalign, aligned_alloc and memalign, wherever in the
// process they come from, until lockstep_count_end. No library may be loaded or unloaded in between. False where that is
// not possible (see allocations.c); then nothing is counted.
bool lockstep_count_begin(void);
lockstep_allocations lockstep_count_end(void);

#endif
