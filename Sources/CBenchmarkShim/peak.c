// The same loops for each vector width, whatever processor the rest of the program was compiled for.
#include "CBenchmarkShim.h"

#define BYTES 16
#define TARGET
#define NAME(x) x##16
#include "vectors.h"

#if defined(__x86_64__)
#define BYTES 32
#define TARGET __attribute__((target("avx2,fma")))
#define NAME(x) x##32
#include "vectors.h"

#define BYTES 64
#define TARGET __attribute__((target("avx512f")))
#define NAME(x) x##64
#include "vectors.h"

#define CHOOSE(function, ...) \
    (bytes == 64 ? function##64(__VA_ARGS__) : bytes == 32 ? function##32(__VA_ARGS__) : function##16(__VA_ARGS__))

bool lockstep_has_vectors(int bytes) {
    __builtin_cpu_init();
    return bytes == 16 || (bytes == 32 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) ||
           (bytes == 64 && __builtin_cpu_supports("avx512f"));
}
#else
#define CHOOSE(function, ...) function##16(__VA_ARGS__)

bool lockstep_has_vectors(int bytes) { return bytes == 16; }
#endif

double lockstep_fma(int bytes, int64_t rounds) { return CHOOSE(fma, rounds); }

float lockstep_read(int bytes, const float *a, int64_t count) { return CHOOSE(read, a, count); }

void lockstep_triad(int bytes, float *a, const float *b, const float *c, float s, int64_t count) {
    CHOOSE(triad, a, b, c, s, count);
}
