// The loops around the micro-kernels: blocks of k, blocks of rows, panels, tiles. docs/products.md says why in this order.
#include "coming.h"
#include "kernels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Steps of k in a block that is copied to slabs: a panel and a tile's slab nearly fit into the first cache, and the next block can be
// fetched beside this one. Where a is used in place, the instruction set says how many steps there are; MOST_STEPS is the most.
#define SLAB_STEPS 384
#define MOST_STEPS 768
// Rows of such a block: few, so that the copy is still in the first cache when it is used; more if c is tall, where few are slower.
#define SLAB_ROWS 24
#define TALL_SLAB_ROWS 96
#define TALL 8192
// Floats of the panels packed at a time, where b is not packed yet.
#define PANEL_FLOATS (384 * 1024)
// Rows that lie a multiple of this apart, in floats, fall into one set of the first cache.
#define ALIASING 1024
// Columns of c that justify copying such rows closer together, although the set has a way for each row of a tile.
#define WORTH_COPYING 1024
// Floats of a that a workspace holds.
#define ROW_FLOATS (BLOCK_ROWS * (MOST_STEPS + 16))
// Tiles of a panel that fetch the next one a little at each step. More of them have so little to fetch that they do it between stretches.
#define MOST_SHARED 8
// Rows of a product that is limited by reading packed b.
#define FEW_ROWS 36

// The number of multiply-adds that justify another thread: a few microseconds of work.
#define WORTH_MULTIPLYING (1L << 18)

static long most_steps(const lockstep_kernels *s, bool a_transposed) { return a_transposed ? SLAB_STEPS : s->steps; }
static long block_rows(long m, bool a_transposed) { return !a_transposed ? BLOCK_ROWS : m > TALL ? TALL_SLAB_ROWS : SLAB_ROWS; }
static long block_steps(long k, long most) { return k <= most ? k : (parts_of(k, parts_of(k, most)) + 7) & ~7L; }

// A thread's memory for blocks of a and b.
typedef struct workspace {
    long ways;  // of the first cache; 0 if unknown
    float rows[ROW_FLOATS] __attribute__((aligned(64)));
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

// A block of rows of a: in place, or in slabs.
typedef struct block {
    const float *a;
    long rows, stride;
    bool slabs;
} block;

static bool worth_copying(const lockstep_kernels *s, const block *x, long columns, const workspace *work) {
    const long rows = parts_of(x->rows, parts_of(x->rows, s->rows));  // of its largest tile
    return x->stride % ALIASING == 0 && x->rows > 4 && (work->ways < rows || columns > WORTH_COPYING);
}

static block copy(const block *x, long k, workspace *work) {
    const long stride = k + 16;
    for (long i = 0; i < x->rows; i++) memcpy(work->rows + i * stride, x->a + i * x->stride, (size_t)k * sizeof(float));
    return (block){work->rows, x->rows, stride, false};
}

// The tiles of one panel and one block of rows, over k steps.
//   columns    of c that the panel has
//   after      c in the panel that comes next
//   following  what comes after this part of the panel
//   later      what comes after this block in slabs
static void multiply_panel(const lockstep_kernels *s, const block *x, long k, const float *b, long columns, float *c, long c_stride,
                           enum old_c old, const float *after, const float *following, coming *later) {
    const long width = width_of(s, columns), tiles = parts_of(x->rows, s->rows);
    const enum kind kind = x->slabs ? SLAB : tiles > 1 && tiles <= MOST_SHARED ? SHARED : PLAIN;
    tile_function *const *functions = s->tiles[kind][width == 2 * s->lanes];
    for (long t = 0; t < tiles; t++) {
        const long i = begin(x->rows, tiles, t), count = begin(x->rows, tiles, t + 1) - i;
        const float *tile = x->slabs ? x->a + t * k * s->lanes : x->a + i * x->stride;
        // All tiles of a panel fetch the next one together: it may come from memory, and must not keep the first tile waiting. A tile that
        // is alone already reads its own as fast as it comes. Panels of a block in slabs were packed just before; the block's successor
        // is what lies far away.
        fetched ahead = {0};
        if (x->slabs) ahead = take(later);
        else if (tiles > 1) ahead = share_of(following, k, width, tiles, t);
        if (kind == SHARED) ahead.step = parts_of(width, tiles);
        float *to = c + i * c_stride;
        const float *next = t + 1 < tiles ? to + count * c_stride : after;
        if (columns == width) {
            functions[count](k, tile, x->stride, b, 0, to, c_stride, old, next, ahead);
            continue;
        }
        // The last panel is wider than the rest of c.
        float edge[MOST_ROWS * WIDEST_PANEL];
        if (old == CONTINUED)
            for (long r = 0; r < count; r++) memcpy(edge + r * width, to + r * c_stride, (size_t)columns * sizeof(float));
        functions[count](k, tile, x->stride, b, 0, edge, width, old, edge, ahead);
        for (long r = 0; r < count; r++) memcpy(to + r * c_stride, edge + r * width, (size_t)columns * sizeof(float));
    }
}

// One block of steps: c, columns of panels first ..< last, from a [m, k] and panels that hold `height` steps each, of which
// k from `packed` on are used.
static void multiply_steps(const lockstep_kernels *s, long m, long n, long k, const float *a, long a_stride,
                           bool a_transposed, const float *packed, long height, long step, long first, long last, float *c,
                           long c_stride, enum old_c old, workspace *work) {
    const long panel = 2 * s->lanes, blocks = parts_of(m, block_rows(m, a_transposed));
    for (long i = 0; i < blocks; i++) {
        const long top = begin(m, blocks, i), after = begin(m, blocks, i + 1), rows = after - top;
        const long tiles = parts_of(rows, s->rows), rows_after = i + 1 < blocks ? begin(m, blocks, i + 2) - after : 0;
        block x = {a_transposed ? work->rows : a + top * a_stride, rows, a_stride, a_transposed};
        if (a_transposed) s->copy_to_slabs(a + top, a_stride, NULL, k, rows, work->rows);
        else if (worth_copying(s, &x, (last - first) * panel, work)) x = copy(&x, k, work);
        coming later = coming_block(s, a + after, a_stride, k, a_transposed ? rows_after : 0, tiles * (last - first));
        for (long p = first; p < last; p++) {
            // After the last panel comes the first, for the next block of rows.
            const long columns = columns_of(s, n, p), next = p + 1 < last ? p + 1 : first;
            const float *b = packed + p * panel * height + step * width_of(s, columns);
            const float *following = packed + next * panel * height + step * width_of(s, columns_of(s, n, next));
            float *to = c + top * c_stride + p * panel;
            multiply_panel(s, &x, k, b, columns, to, c_stride, old, to + panel, following, &later);
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
    bool backwards;          // begins with the last panel
    atomic_bool failed;
} product;

static const lockstep_slices whole = {.count = 1};

// What becomes of c in the block of steps that begins with `step`.
static enum old_c old_of(const product *p, long step) { return p->accumulate || step > 0 ? CONTINUED : REPLACED; }

// A product of few rows is limited by reading b, and each follows another with the same b. So a panel passes through all blocks of
// k at once, and the products go through the panels in opposite directions by turns: the last ones are still in the second cache.
static void multiply_few(const product *p, long steps, long first, long last, workspace *work) {
    const lockstep_kernels *s = p->kernels;
    const long panel = 2 * s->lanes, most = p->m <= s->few ? s->several[p->m] : 1, groups = parts_of(last - first, most);
    const fetched own = {.step = fetches_well() ? 0 : s->ahead};
    block x = {p->a, p->m, p->a_stride, false};
    if (p->m * (p->k + 16) <= ROW_FLOATS && worth_copying(s, &x, (last - first) * panel, work)) x = copy(&x, p->k, work);
    for (long i = 0; i < groups; i++) {
        const long group = first + (p->backwards ? groups - 1 - i : i) * most, end = smaller(group + most, last);
        const long next = i + 1 == groups ? group : p->backwards ? group - most : group + most;
        const float *after = p->c + next * panel;
        for (long step = 0; step < p->k; step += steps) {
            const long height = smaller(steps, p->k - step);
            const enum old_c old = old_of(p, step);
            const block part = {x.a + step, x.rows, x.stride, false};
            if (most > 1 && (group + most) * panel <= p->n && end == group + most) {
                s->wide[p->m](height, part.a, part.stride, p->b + group * panel * p->k + step * panel, panel * p->k,
                              p->c + group * panel, p->c_stride, old, after, own);
                continue;
            }
            for (long q = group; q < end; q++) {
                const long columns = columns_of(s, p->n, q), width = width_of(s, columns);
                const float *b = p->b + q * panel * p->k + step * width;
                const float *following = step + steps < p->k ? b + steps * width : p->b + next * panel * p->k;
                multiply_panel(s, &part, height, b, columns, p->c + q * panel, p->c_stride, old, after, following, NULL);
            }
        }
    }
}

// Divides the columns into parts of whole panels.
static void multiply_packed_part(void *context, long part, long parts) {
    product *p = context;
    workspace *work = own_workspace();
    if (!work) {
        atomic_store(&p->failed, true);
        return;
    }
    const long steps = block_steps(p->k, p->kernels->steps), panels = lockstep_panel_count(p->kernels, p->n);
    const long first = begin(panels, parts, part), last = begin(panels, parts, part + 1);
    if (p->m <= FEW_ROWS) return multiply_few(p, steps, first, last, work);
    for (long step = 0; step < p->k; step += steps)
        multiply_steps(p->kernels, p->m, p->n, smaller(steps, p->k - step), p->a + step, p->a_stride, false, p->b, p->k, step,
                       first, last, p->c, p->c_stride, old_of(p, step), work);
}

bool lockstep_multiply_packed(const lockstep_kernels *s, long m, long n, long k, const float *a, long a_stride,
                              const float *packed, float *c, long c_stride, bool accumulate, bool backwards) {
    if (m == 0) return true;
    product p = {s, m, n, k, a, a_stride, false, packed, 0, false, c, c_stride, accumulate, whole, backwards, false};
    lockstep_parallel(threads_for(m * n * k, WORTH_MULTIPLYING, lockstep_panel_count(s, n)), multiply_packed_part, &p);
    return !atomic_load(&p.failed);
}

// - m: rows of each slice.
static void multiply_block(const product *p, long m, long n, const float *a, const float *b, float *c, workspace *work) {
    const long most = most_steps(p->kernels, p->a_transposed), steps = block_steps(p->k, most), panel = 2 * p->kernels->lanes;
    // Columns packed at a time, in about equal rounds: each reads a again.
    const long parts = parts_of(n, PANEL_FLOATS / most), width = parts_of(parts_of(n, parts), panel) * panel;
    for (long j = 0; j < n; j += width) {
        const long columns = smaller(width, n - j), panels = lockstep_panel_count(p->kernels, columns);
        for (long step = 0; step < p->k; step += steps) {
            const long height = smaller(steps, p->k - step);
            const float *corner = p->b_transposed ? b + j * p->b_stride + step : b + step * p->b_stride + j;
            pack_panels(&(packing){p->kernels, corner, p->b_stride, p->b_transposed, height, columns, 0, panels, work->panels, false},
                        0, panels);
            for (long slice = 0; slice < p->slices.count; slice++) {
                const long first = slice * p->slices.stride;
                const float *from = a + (p->a_transposed ? first + step * p->a_stride : first * p->a_stride + step);
                multiply_steps(p->kernels, m, columns, height, from, p->a_stride, p->a_transposed, work->panels, height, 0, 0,
                               panels, c + first * p->c_stride + j, p->c_stride, old_of(p, step), work);
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
    product p = {s, m, n, k, a, a_stride, a_transposed, b, b_stride, b_transposed, c, c_stride, accumulate, whole, false, false};
    lockstep_parallel(threads_for(m * n * k, WORTH_MULTIPLYING, m >= n ? m : n), multiply_part, &p);
    return !atomic_load(&p.failed);
}

bool lockstep_multiply_slices(const lockstep_kernels *s, long m, long n, long k, const lockstep_slices *slices, const float *a,
                              long a_stride, const float *b, long b_stride, float *c, long c_stride) {
    product p = {s, m, n, k, a, a_stride, true, b, b_stride, false, c, c_stride, false, *slices, false, false};
    const long work = slices->count * m * n * k;
    lockstep_parallel(threads_for(work, WORTH_MULTIPLYING, m >= n ? m : n), multiply_part, &p);
    return !atomic_load(&p.failed);
}
