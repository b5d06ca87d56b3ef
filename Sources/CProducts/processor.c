// The instructions of this processor, and its rounding mode.
#include "kernels.h"

#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

const lockstep_kernels *lockstep_kernels_named(const char *name) {
    if (strcmp(name, lockstep_portable.name) == 0) return &lockstep_portable;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (has_avx2 && strcmp(name, lockstep_avx2.name) == 0) return &lockstep_avx2;
    if (has_avx512 && strcmp(name, lockstep_avx512.name) == 0) return &lockstep_avx512;
#endif
    return NULL;
}

const lockstep_cells *lockstep_cells_of(const lockstep_kernels *kernels) { return &kernels->cells; }
const lockstep_softmax *lockstep_softmax_of(const lockstep_kernels *kernels) { return &kernels->softmax; }
lockstep_mask *lockstep_mask_of(const lockstep_kernels *kernels) { return kernels->mask; }

bool fetches_well(void) {
#if defined(__x86_64__)
    // An EPYC (Zen 4) is up to twice as fast. On a Xeon (Sapphire Rapids), reading without fetching ahead has not been measured.
    return !__builtin_cpu_is("intel");
#else
    return true;
#endif
}

uint64_t floating_point_mode(void) {
#if defined(__x86_64__)
    return _mm_getcsr() & ~0x3Fu;  // without the exceptions that have occurred
#elif defined(__aarch64__)
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    return control;
#else
    return 0;
#endif
}

void set_floating_point_mode(uint64_t mode) {
#if defined(__x86_64__)
    _mm_setcsr((unsigned)mode);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" ::"r"(mode));
#else
    (void)mode;
#endif
}

void lockstep_flush_denormals(void) {
#if defined(__x86_64__)
    const uint64_t flush = 0x8040;  // of results, and of operands
#elif defined(__aarch64__)
    const uint64_t flush = 1ull << 24;
#else
    const uint64_t flush = 0;
#endif
    set_floating_point_mode(floating_point_mode() | flush);
}
