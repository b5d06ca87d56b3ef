// The three passes over a row of logits that softmax and cross-entropy are made of (Sources/Kernels/CrossEntropy.swift).
//
// Sums have a fixed order (docs/exactness.md): all instructions give the same bytes. `bias` may be NULL in place of zeros.
#ifndef LOCKSTEP_SOFTMAX_H
#define LOCKSTEP_SOFTMAX_H

typedef struct lockstep_softmax {
    // The largest logit + bias. A NaN is passed over.
    float (*largest)(const float *logits, const float *bias, long count);
    // Logits become e^(logit + bias - largest). The sum of these: 16 partial sums in single precision for every 1024 of them,
    // the totals added in double precision.
    double (*exponentiate)(float *logits, const float *bias, float largest, long count);
    // values[j] *= factor; and sums[j] += values[j], unless `sums` is NULL.
    void (*scale)(float *values, float factor, float *sums, long count);
} lockstep_softmax;

#endif
