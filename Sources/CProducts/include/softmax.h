// The passes over a row of logits that softmax and cross-entropy are made of (Sources/Kernels/CrossEntropy.swift), and those over
// the scores of samples that take its place in sampled training (SampledCrossEntropy.swift).
//
// Sums have a fixed order (docs/exactness.md): all instructions give the same bytes. `bias` and `sums` may be NULL.
#ifndef LOCKSTEP_SOFTMAX_H
#define LOCKSTEP_SOFTMAX_H

typedef struct lockstep_softmax {
    // The largest logit + bias. A NaN is passed over.
    float (*largest)(const float *logits, const float *bias, long count);
    // Logits become e^(logit + bias - largest). The sum of these: 16 partial sums in single precision for every 1024 of them,
    // the totals added in double precision.
    double (*exponentiate)(float *logits, const float *bias, float largest, long count);
    // values[j] *= factor; and sums[j] += values[j].
    void (*scale)(float *values, float factor, float *sums, long count);

    // With p = values[j] * factor, of which all together are 1 at most: the sum of p / (1 - p), and the product of all 1 - p.
    // 1 - p is at least 2^-40.
    void (*odds)(const float *values, double factor, long count, double *sum, double *product);
    // values[j] = p + p / (1 - p) - p * odds; and sums[j] += values[j].
    void (*blackout)(float *values, double factor, double odds, float *sums, long count);
    // values[j] = s(x) with x = values[j] + bias[j] and s the logistic function; and sums[j] += values[j].
    // The sum of ln (1 + e^x) is *plain + ln *product, for a count of 512 at most.
    void (*contrast)(float *values, const float *bias, float *sums, long count, double *plain, double *product);
} lockstep_softmax;

#endif
