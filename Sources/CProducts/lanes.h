// Vectors of LANES floats, and functions of them. The including file defines LANES; see instructions.h.
//
// A function is one sequence of IEEE operations and fused multiply-adds on each lane, so that a value does not depend on the
// width of the vector or on its place there. Lanes.swift has the same functions for arithmetic written in Swift, with the
// same bits.
#ifndef LOCKSTEP_LANES_H
#define LOCKSTEP_LANES_H

#include "kernels.h"

// A product and a sum become a fused multiply-add only where the code says so.
#pragma clang fp contract(off)

// How vectors would be passed does not matter: functions that take them are inlined.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float vector __attribute__((ext_vector_type(LANES)));
typedef float unaligned_vector __attribute__((ext_vector_type(LANES), aligned(4)));
typedef int32_t integers __attribute__((ext_vector_type(LANES)));

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("clang loop unroll(full)")

// The first n lanes of a vector that is cut off by the end of a row. An instruction set with masks has its own way.
#ifndef LOAD_FIRST
ALWAYS_INLINE vector load_first(const float *from, long n) {
    vector v = 0;
    for (long lane = 0; lane < n; lane++) v[lane] = from[lane];
    return v;
}
ALWAYS_INLINE void store_first(float *to, long n, vector v) {
    for (long lane = 0; lane < n; lane++) to[lane] = v[lane];
}
#define LOAD_FIRST load_first
#define STORE_FIRST store_first
#endif

ALWAYS_INLINE vector load(const float *from, long n) {
    return n == LANES ? *(const unaligned_vector *)from : LOAD_FIRST(from, n);
}
ALWAYS_INLINE void store(float *to, long n, vector v) {
    if (n == LANES) *(unaligned_vector *)to = v;
    else STORE_FIRST(to, n, v);
}

// Runs a block of code for all of `size` columns, a vector at a time: from column j on, n of them. The compiler makes two
// copies of the block, one for whole vectors and one for the rest of the row.
#define EACH_PLACE(size, ...)                                  \
    {                                                          \
        long j = 0;                                            \
        for (; j + LANES <= (size); j += LANES) {              \
            enum { n = LANES };                                \
            __VA_ARGS__                                        \
        }                                                      \
        if (j < (size)) {                                      \
            const long n = (size) - j;                         \
            __VA_ARGS__                                        \
        }                                                      \
    }

// a b + c, rounded once.
ALWAYS_INLINE vector multiply_add(vector a, vector b, vector c) { return __builtin_elementwise_fma(a, b, c); }

// Of an operand that is NaN, `a` alone passes: comparisons with NaN are false.
ALWAYS_INLINE vector minimum(vector a, vector b) { return b < a ? b : a; }
ALWAYS_INLINE vector maximum(vector a, vector b) { return b > a ? b : a; }

// e^x with a relative error below 2 units in the last place; 0 below -87.3, about 2.4e38 above 88.3. NaN stays NaN.
//
// Cody and Waite's range reduction x = n ln 2 + r, |r| <= ln 2 / 2, then the degree-5 polynomial of the Cephes library's
// `expf` (Moshier 1989). n is rounded by adding 1.5 * 2^23, whose last mantissa bit has weight one.
ALWAYS_INLINE vector exponential(vector x) {
    const vector shift = 12582912.0f;
    const vector clamped = minimum(maximum(x, (vector)-87.336f), (vector)88.376f);
    const vector shifted = multiply_add(clamped, (vector)1.44269504f, shift);
    const vector count = shifted - shift;
    const vector r = multiply_add(count, (vector)2.12194440e-4f, multiply_add(count, (vector)-0.693359375f, clamped));
    vector p = 1.98756915e-4f;
    p = multiply_add(p, r, (vector)1.39819995e-3f);
    p = multiply_add(p, r, (vector)8.3334519e-3f);
    p = multiply_add(p, r, (vector)4.1665796e-2f);
    p = multiply_add(p, r, (vector)1.66666655e-1f);
    p = multiply_add(p, r, (vector)5.0000001e-1f);
    const vector fraction = multiply_add(p, r * r, r + 1);
    // shifted's bits end in count + 2^22 * 3; moving count + 127 into the exponent field multiplies by 2^count.
    const integers exponent = ((integers)shifted + 127) << 23;
    return fraction * (vector)exponent;
}

// 1 / (1 + e^-x).
ALWAYS_INLINE vector logistic(vector x) { return 1 / (1 + exponential(-x)); }

// tanh x: (1 - e) / (1 + e) with e = e^-2|x|, and for |x| < 0.625, where that cancels, Cephes' odd polynomial.
ALWAYS_INLINE vector hyperbolic_tangent(vector x) {
    const integers sign = (integers)x & INT32_MIN;
    const vector magnitude = (vector)((integers)x & INT32_MAX);
    const vector e = exponential(magnitude * -2);
    const vector far = (vector)((integers)((1 - e) / (1 + e)) | sign);
    const vector z = x * x;
    vector p = -5.7049887e-3f;
    p = multiply_add(p, z, (vector)2.0639089e-2f);
    p = multiply_add(p, z, (vector)-5.3739716e-2f);
    p = multiply_add(p, z, (vector)1.3331442e-1f);
    p = multiply_add(p, z, (vector)-3.3333282e-1f);
    const vector near = multiply_add(p * z, x, x);
    return magnitude < 0.625f ? near : far;
}

#endif
