// Products of single-precision matrices in one order of sums, with gates (cells.h), softmax (softmax.h), dropout masks
// (masks.h) and a barrier (barrier.h) beside them.
// docs/products.md explains panels, tiles and blocks.
//
// Each element of a product is one chain of fused multiply-adds over k in ascending order:
//     c[i][j] = fma(a[i][k-1], b[k-1][j], ... fma(a[i][1], b[1][j], fma(a[i][0], b[0][j], c0)))
// where c0 is 0, or the old element if the product accumulates. The chain depends on row i of a, column j of b and c0
// alone: not on the other rows and columns, the blocks, the threads or the instructions that compute it.
//
// Matrices are row-major; a stride is the distance between rows, in floats. A transposed operand is stored with its rows
// and columns exchanged.
#ifndef LOCKSTEP_CPRODUCTS_H
#define LOCKSTEP_CPRODUCTS_H

#include "barrier.h"
#include "cells.h"
#include "masks.h"
#include "softmax.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The kernels of one instruction set.
typedef struct lockstep_kernels lockstep_kernels;

// The kernels named "portable", "avx2" or "avx512"; NULL if there are none of that name or this processor lacks them.
const lockstep_kernels *lockstep_kernels_named(const char *name);

// What they have beside products.
const lockstep_cells *lockstep_cells_of(const lockstep_kernels *kernels);
const lockstep_softmax *lockstep_softmax_of(const lockstep_kernels *kernels);
lockstep_mask *lockstep_mask_of(const lockstep_kernels *kernels);

// Floats of the packed form of a [k, n] matrix, whose memory must be aligned to 64 bytes.
size_t lockstep_packed_count(const lockstep_kernels *kernels, long k, long n);
// The number of panels in the packed form.
long lockstep_panel_count(const lockstep_kernels *kernels, long n);
// Packs the panels first ..< last of b [k, n]. Panels are independent: threads or processes may share the work.
void lockstep_pack(const lockstep_kernels *kernels, const float *b, long b_stride, bool b_transposed, long k, long n,
                   long first, long last, float *packed);

// c = a b, or c += a b: a [m, k], b [k, n] packed, c [m, n]. n and k >= 1.
// Products of few rows that follow each other with the same b should alternate `backwards`: each then begins with the panels that
// the one before it read last, which are still in the second cache.
// Returns false if a thread's workspace (2 MiB, allocated at its first product) cannot be allocated.
bool lockstep_multiply_packed(const lockstep_kernels *kernels, long m, long n, long k, const float *a, long a_stride,
                              const float *packed, float *c, long c_stride, bool accumulate, bool backwards);
// The same with unpacked b, which is packed block by block as needed.
bool lockstep_multiply(const lockstep_kernels *kernels, long m, long n, long k, const float *a, long a_stride,
                       bool a_transposed, const float *b, long b_stride, bool b_transposed, float *c, long c_stride,
                       bool accumulate);

// Equal slices of the rows of c, whose first rows are `stride` apart.
typedef struct {
    long count, stride;
} lockstep_slices;
// The products c = a^T b of several slices, for all of which b is packed once: a [k, ..], b [k, n], c [.., n], and m rows of c in
// each slice. The first begins with row 0 of c, which comes from column 0 of a.
bool lockstep_multiply_slices(const lockstep_kernels *kernels, long m, long n, long k, const lockstep_slices *slices,
                              const float *a, long a_stride, const float *b, long b_stride, float *c, long c_stride);

// Lets products and packing use `count` threads, including the caller's. Returns how many there are: at least 1, no more
// than 256, and fewer than asked for if the system refuses to create them.
long lockstep_use_threads(long count);
long lockstep_threads(void);

// Calls body(context, part, parts) for each part, side by side on as many threads if they are idle, and returns when all
// are done. At most `lockstep_threads()` parts, or one thread does them all.
typedef void lockstep_part(void *context, long part, long parts);
void lockstep_parallel(long parts, lockstep_part *body, void *context);

// Rows of a chunk that are summed by leaves: leaf i has the rows rows[begins[i]] ..< rows[begins[i + 1]], at least one.
typedef struct {
    long count;             // leaves, which follow each other
    const int32_t *begins;  // [count + 1]
    const int32_t *rows;
} lockstep_leaves;

// Of a node of the tree with two leaves or more, the leaves of its left child: half of them, or one more.
long lockstep_left_leaves(long leaves);
// Floats of the workspace, aligned to 64 bytes, for k rows of all leaves together, n columns and the given number of threads.
size_t lockstep_tree_workspace(const lockstep_kernels *kernels, long k, long n, long threads);
// c [.., n] = a^T b, where each leaf's rows of a [rows, ..] and b [rows, n] are one chain, begun at 0, and the leaves are
// added along the tree: m rows of c in each slice, for all of which b is packed once. At most `threads` threads share the work.
void lockstep_multiply_tree(const lockstep_kernels *kernels, long m, long n, const lockstep_slices *slices, const float *a,
                            long a_stride, const float *b, long b_stride, const lockstep_leaves *leaves, float *c, long c_stride,
                            long threads, float *workspace);

// Denormal numbers become zero, as operands and as results, on this thread: they cost a hundred times a normal operation.
void lockstep_flush_denormals(void);

#endif
