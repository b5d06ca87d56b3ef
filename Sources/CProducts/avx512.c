// AVX-512: vectors of 16 floats and 32 registers, of which a tile of 12 rows takes 24 for its sums. Its processors have a second
// cache of 1 MB or more, from which the panel of a longer block reaches a tile in time.
#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx2,fma,prfchw,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#define NAME avx512
#define LANES 16
#define ROWS 12
#define STEPS 768
#define AHEAD 1024
#define STRETCH 8
#define LOAD_FIRST(from, n) (vector)_mm512_maskz_loadu_ps((__mmask16)((1u << (n)) - 1), from)
#define STORE_FIRST(to, n, v) _mm512_mask_storeu_ps(to, (__mmask16)((1u << (n)) - 1), (__m512)(v))
#include "instructions.h"
#pragma clang attribute pop
#endif
