// A product C (+)= A * W whose weights W are packed once and used many times, over oneDNN's matmul primitive.
// The primitive's C interface differs between oneDNN 2.x and 3.x; this file is the only place that knows.
#ifndef LOCKSTEP_CONEDNNSHIM_H
#define LOCKSTEP_CONEDNNSHIM_H

#include <oneapi/dnnl/dnnl.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lockstep_product lockstep_product;

// A [m, k] with row stride lda; W [k, n] (transposed: stored as [n, k]); C [m, n] with row stride ldc.
// accumulate: C += A W instead of C = A W. Returns a dnnl_status_t, 0 on success.
int lockstep_product_create(lockstep_product **product, int64_t m, int64_t k, int64_t n, int64_t lda, int64_t ldc,
                            int transposed, int accumulate);
void lockstep_product_destroy(lockstep_product *product);

// Bytes of the packed form of W; the caller owns that memory, 64-byte aligned.
size_t lockstep_product_packed_size(const lockstep_product *product);
// Bytes of scratch memory that one run needs; may be 0.
size_t lockstep_product_scratch_size(const lockstep_product *product);

int lockstep_product_pack(lockstep_product *product, const float *weights, void *packed);
// With `rows` rows of A and C instead of m; each number of rows is prepared when it first occurs (this allocates).
// Returns LOCKSTEP_OTHER_PACKING when oneDNN wants the weights packed in another way for that many rows.
int lockstep_product_run(lockstep_product *product, int64_t rows, const float *a, const void *packed, float *c, void *scratch);
#define LOCKSTEP_OTHER_PACKING (-1)

// Threads that one oneDNN call may use. No effect when oneDNN was built without OpenMP.
void lockstep_set_threads(int threads);
// Denormal numbers become zero, in inputs and results, on this thread: they cost a hundred times a normal operation.
void lockstep_flush_denormals(void);
// Version of the library and the instructions its kernels use on this processor.
void lockstep_describe(char *text, size_t capacity);
#endif
