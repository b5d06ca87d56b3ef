// Packed matrices: panels of columns, each stored step after step. docs/products.md says what for.
#include "kernels.h"

#include <stdatomic.h>

// Floats of a matrix that would not stay in the second-level cache until its first product, since others are packed after it.
#define FAR (1L << 17)
// The number of floats that justify another thread: a few microseconds of work.
#define WORTH_PACKING (1L << 15)

size_t lockstep_packed_count(const lockstep_kernels *s, long k, long n) {
    return (size_t)(parts_of(n, s->lanes) * s->lanes) * (size_t)k;
}

long lockstep_panel_count(const lockstep_kernels *s, long n) { return parts_of(n, 2 * s->lanes); }

void pack_panels(const packing *p, long first, long last) {
    const lockstep_kernels *s = p->kernels;
    for (long panel = first; panel < last; panel++) {
        const long j = panel * 2 * s->lanes, columns = columns_of(s, p->n, panel), width = width_of(s, columns);
        pack_function *pack = p->b_transposed ? s->pack_transposed[p->far] : s->pack[p->far];
        pack(p->b + (p->b_transposed ? j * p->b_stride : j), p->b_stride, p->k, columns, width, p->packed + j * p->k);
    }
}

static void pack_part(void *context, long part, long parts) {
    const packing *p = context;
    const long count = p->last - p->first;
    pack_panels(p, p->first + begin(count, parts, part), p->first + begin(count, parts, part + 1));
    // Stores past the caches may arrive after later ones, such as the barrier that says the panels are packed.
    if (p->far) atomic_thread_fence(memory_order_seq_cst);
}

void lockstep_pack(const lockstep_kernels *s, const float *b, long b_stride, bool b_transposed, long k, long n,
                   long first, long last, float *packed) {
    packing p = {s, b, b_stride, b_transposed, k, n, first, last, packed, k * n >= FAR};
    lockstep_parallel(threads_for((last - first) * 2 * s->lanes * k, WORTH_PACKING, last - first), pack_part, &p);
}
