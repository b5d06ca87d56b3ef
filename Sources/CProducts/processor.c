// What this processor has, and how it rounds.
#include "kernels.h"

#include <stdint.h>
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

void lockstep_flush_denormals(void) {
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040);
#elif defined(__aarch64__)
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    __asm__ volatile("msr fpcr, %0" ::"r"(control | (1ull << 24)));
#endif
}
