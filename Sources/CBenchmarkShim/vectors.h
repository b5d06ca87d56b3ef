// The loops for one vector width. The including file defines BYTES, TARGET (an attribute or nothing) and NAME(x).
#define LANES (BYTES / 4)
typedef float NAME(vector) __attribute__((vector_size(BYTES), aligned(BYTES)));

// Twelve independent chains keep two units of four or five cycles' latency busy, and fit into 16 registers.
TARGET static double NAME(fma)(int64_t rounds) {
    // The compiler must not know these, and the sums must stay ordinary numbers: each tends to y / (1 - x) = 1.
    volatile float source[2] = {0.999f, 0.001f};
    NAME(vector) x, y, sum[12];
    for (int i = 0; i < LANES; i++) x[i] = source[0], y[i] = source[1];
    for (int k = 0; k < 12; k++) sum[k] = x * (float)k;
    for (int64_t round = 0; round < rounds; round++) {
#pragma clang loop unroll(full)
        for (int k = 0; k < 12; k++) sum[k] = sum[k] * x + y;
    }
    for (int k = 1; k < 12; k++) sum[0] += sum[k];
    source[0] = sum[0][0] + sum[0][LANES - 1];
    return 2.0 * 12 * LANES * (double)rounds;
}

TARGET static float NAME(read)(const float *a, int64_t count) {
    NAME(vector) sum[8] = {0};
    for (int64_t i = 0; i < count; i += 8 * LANES) {
#pragma clang loop unroll(full)
        for (int k = 0; k < 8; k++) sum[k] += *(const NAME(vector) *)(a + i + k * LANES);
    }
    for (int k = 1; k < 8; k++) sum[0] += sum[k];
    float total = 0;
    for (int i = 0; i < LANES; i++) total += sum[0][i];
    return total;
}

TARGET static void NAME(triad)(float *a, const float *b, const float *c, float s, int64_t count) {
    for (int64_t i = 0; i < count; i += LANES)
        *(NAME(vector) *)(a + i) = *(const NAME(vector) *)(b + i) + s * *(const NAME(vector) *)(c + i);
}

#undef LANES
#undef BYTES
#undef TARGET
#undef NAME
