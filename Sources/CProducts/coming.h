// What the next block of a^T will copy to slabs: short pieces of many steps that lie far apart, which no processor expects. Each tile
// that is computed until then fetches a piece of some steps.
#ifndef LOCKSTEP_COMING_H
#define LOCKSTEP_COMING_H

#include "kernels.h"

typedef struct coming {
    const float *from;
    long stride, k, width, pieces;  // of a step
    long each, step, piece;
} coming;

static inline coming coming_block(const lockstep_kernels *s, const float *from, long stride, long k, long rows, long tiles) {
    const long width = 2 * s->lanes, pieces = parts_of(rows + 15, width), shares = tiles / pieces;  // may begin anywhere in a line
    return (coming){from, stride, k, width, pieces, shares > 0 ? parts_of(k, shares) : 0, rows > 0 && shares > 0 ? 0 : k, 0};
}

static inline fetched take(coming *x) {
    if (x->step >= x->k) return (fetched){0};
    const fetched piece = {x->from + x->step * x->stride + x->piece * x->width, x->stride, smaller(x->each, x->k - x->step)};
    if (++x->piece == x->pieces) {
        x->piece = 0;
        x->step += x->each;
    }
    return piece;
}

#endif
