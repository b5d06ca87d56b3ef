// AVX-512: vectors of 16 floats and 32 registers, of which a tile of 12 rows takes 24 for its sums.
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,prfchw,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#define NAME avx512
#define LANES 16
#define ROWS 12
#include "tile.h"
#pragma clang attribute pop
#endif
