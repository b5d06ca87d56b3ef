// AVX2 with FMA: vectors of 8 floats and 16 registers, of which a tile of 6 rows takes 12 for its sums.
#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx2,fma,prfchw"))), apply_to = function)
#define NAME avx2
#define LANES 8
#define ROWS 6
#define STEPS 384
#define AHEAD 0
#define STRETCH 32
#define FIRST(n) _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define LOAD_FIRST(from, n) (vector)_mm256_maskload_ps(from, FIRST(n))
#define STORE_FIRST(to, n, v) _mm256_maskstore_ps(to, FIRST(n), (__m256)(v))
#include "instructions.h"
#pragma clang attribute pop
#endif
