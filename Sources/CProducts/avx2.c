// AVX2 with FMA: vectors of 8 floats and 16 registers, of which a tile of 6 rows takes 12 for its sums.
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,prfchw"))), apply_to = function)
#define NAME avx2
#define LANES 8
#define ROWS 6
#include "tile.h"
#pragma clang attribute pop
#endif
