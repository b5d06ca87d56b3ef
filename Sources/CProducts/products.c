// The loops around the micro-kernels: blocks of k, blocks of rows, panels, tiles. docs/products.md says why in this order.
#include "kernels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Steps of k in a block that is copied to slabs, and its rows: a panel and a tile's slab nearly fit into the first cache, and the
// next block can be fetched beside this one. Where a is used in place, the instruction set says how many steps there are;
// MOST_STEPS is the most.
#define SLAB_STEPS 384
#define SLAB_ROWS 96
#define MOST_STEPS 768
// Floats of the panels packed at a time, where b is not packed yet.
#define PANEL_FLOATS (384 * 1024)
// Rows that lie a multiple of this apart, in floats, fall into one set of the first cache.
#define ALIASING 1024
// Columns of c that justify copying such rows closer together, although the set has a way for each row of a tile.
#define WORTH_COPYING 1024

// The number of multiply-adds, and of floats to pack, that justify another thread: a few microseconds of work.
#define WORTH_MULTIPLYING (1L << 18)
#define WORTH_PACKING (1L << 15)

static long most_steps(const lockstep_kernels *s, bool a_transposed) { return a_transposed ? SLAB_STEPS : s->steps; }
static long block_steps(long k, long most) { return k <= most ? k : (parts_of(k, parts_of(k, most)) + 7) & ~7L; }

// A thread's memory for blocks of a and b.
typedef struct workspace {
    long ways;  // of the first cache; 0 if unknown
    float rows[BLOCK_ROWS * (MOST_STEPS + 16)] __attribute__((aligned(64)));
    float panels[PANEL_FLOATS] __attribute__((aligned(64)));
} workspace;

static pthread_key_t workspace_key;
static pthread_once_t workspace_once = PTHREAD_ONCE_INIT;
static void make_key(void) { pthread_key_create(&workspace_key, free); }

static workspace *own_workspace(void) {
    static _Thread_local workspace *own;
    if (own) return own;
    pthread_once(&workspace_once, make_key);
    own = aligned_alloc(64, sizeof *own);
    if (!own) return NULL;
    own->ways = sysconf(_SC_LEVEL1_DCACHE_ASSOC);
    // The key's only purpose is to free the memory when the thread ends.
    pthread_setspecific(workspace_key, own);
    return own;
}

size_t lockstep_packed_count(const lockstep_kernels *s, long k, long n) {
    return (size_t)(parts_of(n, s->lanes) * s->lanes) * (size_t)k;
}

long lockstep_panel_count(const lockstep_kernels *s, long n) { return parts_of(n, 2 * s->lanes); }

// The number of threads for a job of `work` that can be cut into `most` parts, if each should have at least `worth`.
static long threads_for(long work, long worth, long most) {
    const long threads = smaller(smaller(lockstep_threads(), work / worth), most);
    return threads > 1 ? threads : 1;
}

typedef struct packing {
    const lockstep_kernels *kernels;
    const float *b;
    long b_stride;
    bool b_transposed;
    long k, n, first, last;
    float *packed;
} packing;

static void pack_panels(const packing *p, long first, long last) {
    const lockstep_kernels *s = p->kernels;
    for (long panel = first; panel < last; panel++) {
        const long j = panel * 2 * s->lanes, columns = columns_of(s, p->n, panel), width = width_of(s, columns);
        if (p->b_transposed) s->pack_transposed(p->b + j * p->b_stride, p->b_stride, p->k, columns, width, p->packed + j * p->k);
        else s->pack(p->b + j, p->b_stride, p->k, columns, width, p->packed + j * p->k);
    }
}

static void pack_part(void *context, long part, long parts) {
    const packing *p = context;
    const long count = p->last - p->first;
    pack_panels(p, p->first + begin(count, parts, part), p->first + begin(count, parts, part + 1));
}

void lockstep_pack(const lockstep_kernels *s, const float *b, long b_stride, bool b_transposed, long k, long n,
                   long first, long last, float *packed) {
    packing p = {s, b, b_stride, b_transposed, k, n, first, last, packed};
    lockstep_parallel(threads_for((last - first) * 2 * s->lanes * k, WORTH_PACKING, last - first), pack_part, &p);
}

// What the next block of a^T will copy to slabs: each tile that is computed until then fetches a piece of some steps.
typedef struct coming {
    const float *from;
    long stride, k, width, pieces;  // of a step
    long each, step, piece;
} coming;

static coming coming_block(const lockstep_kernels *s, const float *from, long stride, long k, long rows, long tiles) {
    const long width = 2 * s->lanes, pieces = parts_of(rows + 15, width), shares = tiles / pieces;  // may begin anywhere in a line
    return (coming){from, stride, k, width, pieces, shares > 0 ? parts_of(k, shares) : 0, rows > 0 && shares > 0 ? 0 : k, 0};
}

static fetched take(coming *x) {
    if (x->step >= x->k) return (fetched){0};
    const fetched piece = {x->from + x->step * x->stride + x->piece * x->width, x->stride, smaller(x->each, x->k - x->step)};
    if (++x->piece == x->pieces) {
        x->piece = 0;
        x->step += x->each;
    }
    return piece;
}

// One block of steps: c, columns of panels first ..< last, from a [m, k] and panels that hold `height` steps each, of which
// k from `packed` on are used.
static void multiply_steps(const lockstep_kernels *s, long m, long n, long k, const float *a, long a_stride,
                           bool a_transposed, const float *packed, long height, long step, long first, long last, float *c,
                           long c_stride, enum old_c old, workspace *work) {
    const long panel = 2 * s->lanes, blocks = parts_of(m, a_transposed ? SLAB_ROWS : BLOCK_ROWS);
    if (m <= s->few && !a_transposed) {
        const long several = s->several[m];
        for (; first + several <= last && (first + several) * panel <= n; first += several)
            s->wide[m](k, a, a_stride, packed + first * panel * height + step * panel, panel * height, c + first * panel,
                       c_stride, old, c + (first + several) * panel, (fetched){0});
    }
    for (long block = 0; block < blocks; block++) {
        const long top = begin(m, blocks, block), after = begin(m, blocks, block + 1), rows = after - top;
        const long tiles = parts_of(rows, s->rows), rows_after = block + 1 < blocks ? begin(m, blocks, block + 2) - after : 0;
        const float *source = a_transposed ? a + top : a + top * a_stride;
        long source_stride = a_stride;
        if (a_transposed) {
            s->copy_to_slabs(source, a_stride, &(lockstep_leaves){.count = 1, .steps = 1, .width = k}, rows, work->rows);
            source = work->rows;
        } else if (a_stride % ALIASING == 0 && rows > 4 && (work->ways < s->rows || (last - first) * panel > WORTH_COPYING)) {
            source_stride = k + 16;
            for (long i = 0; i < rows; i++)
                memcpy(work->rows + i * source_stride, source + i * a_stride, (size_t)k * sizeof(float));
            source = work->rows;
        }
        coming later = coming_block(s, a + after, a_stride, k, a_transposed ? rows_after : 0, tiles * (last - first));
        for (long p = first; p < last; p++) {
            const long columns = columns_of(s, n, p), width = width_of(s, columns);
            const float *b = packed + p * panel * height + step * width;
            tile_function *const *functions = s->tiles[a_transposed ? SLAB : tiles > 1 ? SHARED : ALONE][width == panel];
            // All tiles of a panel fetch the next one together: it may come from memory, and must not keep the first tile waiting.
            // After the last panel comes the first, for the next block of rows or the next product. A tile that is alone
            // already fetches what it can.
            const long following = p + 1 < last ? p + 1 : first, share = width / tiles;
            fetched ahead = {packed + following * panel * height + step * width_of(s, columns_of(s, n, following)), share, k};
            for (long t = 0; t < tiles; t++, ahead.from += k * share) {
                const long i = begin(rows, tiles, t), end = begin(rows, tiles, t + 1), count = end - i;
                const float *tile = a_transposed ? source + t * k * s->lanes : source + i * source_stride;
                // Panels of a block in slabs were packed just before; the block's successor is what lies far away.
                if (a_transposed) ahead = take(&later);
                float *to = c + (top + i) * c_stride + p * panel;
                const float *next = t + 1 < tiles ? to + count * c_stride : c + top * c_stride + (p + 1) * panel;
                if (columns == width) {
                    functions[count](k, tile, source_stride, b, 0, to, c_stride, old, next, ahead);
                    continue;
                }
                // The last panel is wider than the rest of c.
                float edge[MOST_ROWS * WIDEST_PANEL];
                if (old == CONTINUED)
                    for (long r = 0; r < count; r++) memcpy(edge + r * width, to + r * c_stride, (size_t)columns * sizeof(float));
                functions[count](k, tile, source_stride, b, 0, edge, width, old, edge, ahead);
                for (long r = 0; r < count; r++) memcpy(to + r * c_stride, edge + r * width, (size_t)columns * sizeof(float));
            }
        }
    }
}

typedef struct product {
    const lockstep_kernels *kernels;
    long m, n, k;
    const float *a;
    long a_stride;
    bool a_transposed;
    const float *b;  // packed, or as it is
    long b_stride;
    bool b_transposed;
    float *c;
    long c_stride;
    bool accumulate;
    lockstep_slices slices;  // of the rows of c, m each
    atomic_bool failed;
} product;

static const lockstep_slices whole = {.count = 1};

// Divides the columns into parts of whole panels.
static void multiply_packed_part(void *context, long part, long parts) {
    product *p = context;
    workspace *work = own_workspace();
    if (!work) {
        atomic_store(&p->failed, true);
        return;
    }
    const long steps = block_steps(p->k, p->kernels->steps), panels = lockstep_panel_count(p->kernels, p->n);
    for (long step = 0; step < p->k; step += steps)
        multiply_steps(p->kernels, p->m, p->n, smaller(steps, p->k - step), p->a + step, p->a_stride, false, p->b, p->k, step,
                       begin(panels, parts, part), begin(panels, parts, part + 1), p->c, p->c_stride,
                       p->accumulate || step > 0 ? CONTINUED : REPLACED, work);
}

bool lockstep_multiply_packed(const lockstep_kernels *s, long m, long n, long k, const float *a, long a_stride,
                              const float *packed, float *c, long c_stride, bool accumulate) {
    product p = {s, m, n, k, a, a_stride, false, packed, 0, false, c, c_stride, accumulate, whole, false};
    lockstep_parallel(threads_for(m * n * k, WORTH_MULTIPLYING, lockstep_panel_count(s, n)), multiply_packed_part, &p);
    return !atomic_load(&p.failed);
}

// - m: rows of each slice.
static void multiply_block(const product *p, long m, long n, const float *a, const float *b, float *c, workspace *work) {
    const long most = most_steps(p->kernels, p->a_transposed), steps = block_steps(p->k, most), width = PANEL_FLOATS / most;
    for (long j = 0; j < n; j += width) {
        const long columns = smaller(width, n - j), panels = lockstep_panel_count(p->kernels, columns);
        for (long step = 0; step < p->k; step += steps) {
            const long height = smaller(steps, p->k - step);
            const float *corner = p->b_transposed ? b + j * p->b_stride + step : b + step * p->b_stride + j;
            pack_panels(&(packing){p->kernels, corner, p->b_stride, p->b_transposed, height, columns, 0, panels, work->panels},
                        0, panels);
            for (long slice = 0; slice < p->slices.count; slice++) {
                const long first = slice * p->slices.stride;
                const float *from = a + (p->a_transposed ? first + step * p->a_stride : first * p->a_stride + step);
                multiply_steps(p->kernels, m, columns, height, from, p->a_stride, p->a_transposed, work->panels, height, 0, 0,
                               panels, c + first * p->c_stride + j, p->c_stride,
                               p->accumulate || step > 0 ? CONTINUED : REPLACED, work);
            }
        }
    }
}

// Divides the longer side of c into parts. Each thread packs the part of b that it needs.
static void multiply_part(void *context, long part, long parts) {
    product *p = context;
    workspace *work = own_workspace();
    if (!work) {
        atomic_store(&p->failed, true);
        return;
    }
    if (p->m >= p->n) {
        const long i = begin(p->m, parts, part), rows = begin(p->m, parts, part + 1) - i;
        multiply_block(p, rows, p->n, p->a_transposed ? p->a + i : p->a + i * p->a_stride, p->b, p->c + i * p->c_stride, work);
    } else {
        const long j = begin(p->n, parts, part), columns = begin(p->n, parts, part + 1) - j;
        multiply_block(p, p->m, columns, p->a, p->b_transposed ? p->b + j * p->b_stride : p->b + j, p->c + j, work);
    }
}

bool lockstep_multiply(const lockstep_kernels *s, long m, long n, long k, const float *a, long a_stride, bool a_transposed,
                       const float *b, long b_stride, bool b_transposed, float *c, long c_stride, bool accumulate) {
    product p = {s, m, n, k, a, a_stride, a_transposed, b, b_stride, b_transposed, c, c_stride, accumulate, whole, false};
    lockstep_parallel(threads_for(m * n * k, WORTH_MULTIPLYING, m >= n ? m : n), multiply_part, &p);
    return !atomic_load(&p.failed);
}

bool lockstep_multiply_slices(const lockstep_kernels *s, long m, long n, long k, const lockstep_slices *slices, const float *a,
                              long a_stride, const float *b, long b_stride, float *c, long c_stride) {
    product p = {s, m, n, k, a, a_stride, true, b, b_stride, false, c, c_stride, false, *slices, false};
    const long work = slices->count * m * n * k;
    lockstep_parallel(threads_for(work, WORTH_MULTIPLYING, m >= n ? m : n), multiply_part, &p);
    return !atomic_load(&p.failed);
}
