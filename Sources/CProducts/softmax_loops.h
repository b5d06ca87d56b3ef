// The loops of include/softmax.h, written once for all instruction sets.
#include "lanes.h"

// Exponentials whose sum is accumulated in single precision, and the partial sums that they are divided among, however many
// vectors these are.
#define BLOCK 1024
#define PARTIAL_SUMS 16
#define VECTORS (PARTIAL_SUMS / LANES)

ALWAYS_INLINE vector biased(const float *logits, const float *bias, long j, long n) {
    return bias ? load(logits + j, n) + load(bias + j, n) : load(logits + j, n);
}

static float largest(const float *logits, const float *bias, long count) {
    // Four maxima side by side, or each comparison would wait for the one before.
    vector maxima[4];
    UNROLLED for (long v = 0; v < 4; v++) maxima[v] = -__builtin_inff();
    long j = 0;
    for (; j + 4 * LANES <= count; j += 4 * LANES)
        UNROLLED for (long v = 0; v < 4; v++) maxima[v] = maximum(maxima[v], biased(logits, bias, j + v * LANES, LANES));
    for (; j + LANES <= count; j += LANES) maxima[0] = maximum(maxima[0], biased(logits, bias, j, LANES));
    const vector all = maximum(maximum(maxima[0], maxima[1]), maximum(maxima[2], maxima[3]));
    float most = -__builtin_inff();
    for (long lane = 0; lane < LANES; lane++) most = all[lane] > most ? all[lane] : most;
    for (; j < count; j++) {
        const float value = bias ? logits[j] + bias[j] : logits[j];
        most = value > most ? value : most;
    }
    return most;
}

// The second half is added to the first, until one number is left.
ALWAYS_INLINE float total(const vector partial[VECTORS]) {
    float sums[PARTIAL_SUMS];
    UNROLLED for (long v = 0; v < VECTORS; v++) store(sums + v * LANES, LANES, partial[v]);
    UNROLLED for (long half = PARTIAL_SUMS / 2; half > 0; half /= 2)
        UNROLLED for (long i = 0; i < half; i++) sums[i] += sums[i + half];
    return sums[0];
}

static double exponentiate(float *logits, const float *bias, float largest, long count) {
    double sum = 0;
    for (long start = 0; start < count; start += BLOCK) {
        const long end = smaller(start + BLOCK, count), whole = start + ((end - start) & -PARTIAL_SUMS);
        vector partial[VECTORS] = {0};
        for (long j = start; j < whole; j += PARTIAL_SUMS) {
            UNROLLED for (long v = 0; v < VECTORS; v++) {
                const vector e = exponential(biased(logits, bias, j + v * LANES, LANES) - largest);
                store(logits + j + v * LANES, LANES, e);
                partial[v] += e;
            }
            // The next row, while this one keeps the arithmetic busy.
            __builtin_prefetch(logits + count + j, 1, 2);
        }
        sum += (double)total(partial);
        // What does not fill the partial sums once more is added one by one.
        float last[PARTIAL_SUMS];
        for (long j = whole; j < end; j += LANES) {
            const vector e = exponential(biased(logits, bias, j, smaller(LANES, end - j)) - largest);
            store(logits + j, smaller(LANES, end - j), e);
            store(last + j - whole, LANES, e);
        }
        for (long i = 0; i < end - whole; i++) sum += (double)last[i];
    }
    return sum;
}

static void scale(float *values, float factor, float *sums, long count) {
    EACH_PLACE(count, {
        const vector d = load(values + j, n) * factor;
        store(values + j, n, d);
        if (sums) store(sums + j, n, load(sums + j, n) + d);
    })
}

// MARK: Samples
//
// In double precision: a probability near 1 leaves few digits of 1 - p. PARTIAL_SUMS sums and products side by side; a row is
// filled up with values that change neither.
typedef double doubles __attribute__((ext_vector_type(LANES)));

ALWAYS_INLINE doubles widened(vector v) { return __builtin_convertvector(v, doubles); }

// Runs a block of code for every vector of each PARTIAL_SUMS places, the last of them filled up: for vector v from place j on, of
// which n places exist.
#define EACH_PARTIAL_SUM(count, ...)                                                             \
    for (long first = 0; first < (count); first += PARTIAL_SUMS)                                 \
        UNROLLED for (long v = 0; v < VECTORS; v++) {                                            \
            const long j = first + v * LANES, left = (count) - j;                                \
            const long n = left >= LANES ? LANES : left > 0 ? left : 0;                          \
            __VA_ARGS__                                                                          \
        }

// The second half is added to the first, or multiplied by it, until one number is left.
ALWAYS_INLINE double combined(const doubles partial[VECTORS], bool multiply) {
    double parts[PARTIAL_SUMS];
    for (long i = 0; i < PARTIAL_SUMS; i++) parts[i] = partial[i / LANES][i % LANES];
    for (long half = PARTIAL_SUMS / 2; half > 0; half /= 2)
        for (long i = 0; i < half; i++) parts[i] = multiply ? parts[i] * parts[i + half] : parts[i] + parts[i + half];
    return parts[0];
}

ALWAYS_INLINE doubles rest_of(doubles p) {
    const doubles rest = 1 - p;
    return rest < 0x1p-40 ? (doubles)0x1p-40 : rest;
}

static void odds(const float *values, double factor, long count, double *sum, double *product) {
    doubles sums[VECTORS], products[VECTORS];
    UNROLLED for (long v = 0; v < VECTORS; v++) sums[v] = 0, products[v] = 1;
    EACH_PARTIAL_SUM(count, {
        const doubles p = widened(load(values + j, n)) * factor;
        const doubles rest = rest_of(p);
        sums[v] += p / rest;
        products[v] *= rest;
    })
    *sum = combined(sums, false);
    *product = combined(products, true);
}

static void blackout(float *values, double factor, double odds, float *sums, long count) {
    EACH_PLACE(count, {
        const doubles p = widened(load(values + j, n)) * factor;
        const vector d = __builtin_convertvector(p + p / rest_of(p) - p * odds, vector);
        store(values + j, n, d);
        if (sums) store(sums + j, n, load(sums + j, n) + d);
    })
}

static void contrast(float *values, const float *bias, float *sums, long count, double *plain, double *product) {
    doubles plains[VECTORS], products[VECTORS];
    UNROLLED for (long v = 0; v < VECTORS; v++) plains[v] = 0, products[v] = 1;
    vector places;
    for (long lane = 0; lane < LANES; lane++) places[lane] = (float)lane;
    EACH_PARTIAL_SUM(count, {
        // ln (1 + e^x) = max(x, 0) + ln (1 + e^-|x|). What fills up adds 0 and multiplies by 1.
        const vector x = places < (float)n ? biased(values, bias, j, n) : (vector)-1000;
        const vector e = exponential((vector)((integers)x | INT32_MIN));
        plains[v] += widened(maximum(x, (vector)0));
        products[v] *= 1 + widened(e);
        const vector s = (x < 0 ? e : (vector)1) / (1 + e);
        store(values + j, n, s);
        if (sums) store(sums + j, n, load(sums + j, n) + s);
    })
    *plain = combined(plains, false);
    *product = combined(products, true);
}

#define SOFTMAX {largest, exponentiate, scale, odds, blackout, contrast}
