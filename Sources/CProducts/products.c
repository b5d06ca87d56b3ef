// The loops around the micro-kernels: blocks of k, blocks of rows, panels, tiles. docs/products.md says why in this order.
#include "kernels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

// Steps of k in a block that is copied to slabs, and its rows: a panel and a tile's slab nearly fit into the first cache, and the
// next block can be fetched beside this one. Where a is used in place, the instruction set says how many steps there are;
// MOST_STEPS is the most.
#define SLAB_STEPS 384
#define SLAB_ROWS 96
#define MOST_STEPS 768
// Floats of the panels packed at a time, where b is not packed yet.
#define PANEL_FLOATS (384 * 1024)
// Rows that lie a multiple of this apart, in floats, fall into few sets of the first cache, and are copied closer together.
#define ALIASING 256

// The number of multiply-adds, and of floats to pack, that justify another thread: a few microseconds of work.
#define WORTH_MULTIPLYING (1L << 18)
#define WORTH_PACKING (1L << 15)

static long block_steps(long k, long most) { return k <= most ? k : (parts_of(k, parts_of(k, most)) + 7) & ~7L; }

// A thread's memory for blocks of a and b.
typedef struct workspace {
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
    // The key's only purpose is to free the memory when the thread ends.
    if (own) pthread_setspecific(workspace_key, own);
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

// A block of steps of packed panels: of `height` steps in each panel, those from `step` on.
typedef struct panels {
    const float *packed;
    long height, step, first, last;
    long n;  // columns of all panels
} panels;

static const float *panel_at(const lockstep_kernels *s, const panels *b, long p) {
    return b->packed + p * 2 * s->lanes * b->height + b->step * width_of(s, columns_of(s, b->n, p));
}

// One tile of `columns` columns, which the last panel of c may have fewer of than the tile is wide.
static void multiply_tile(tile_function *function, long rows, long columns, long width, long k, const float *a, long a_stride,
                          const float *b, float *c, long c_stride, enum old_c old, const float *next, fetched ahead) {
    if (columns == width) {
        function(k, a, a_stride, b, 0, c, c_stride, old, next, ahead);
        return;
    }
    float edge[MOST_ROWS * WIDEST_PANEL];
    if (old == CONTINUED)
        for (long r = 0; r < rows; r++) memcpy(edge + r * width, c + r * c_stride, (size_t)columns * sizeof(float));
    function(k, a, a_stride, b, 0, edge, width, old, edge, ahead);
    for (long r = 0; r < rows; r++) memcpy(c + r * c_stride, edge + r * width, (size_t)columns * sizeof(float));
}

// k steps of c = a b, with the rows of a [m, k] where they are.
static void multiply_in_place(const lockstep_kernels *s, long m, long k, const float *a, long a_stride, panels b, float *c,
                              long c_stride, enum old_c old, workspace *work) {
    const long panel = 2 * s->lanes, blocks = parts_of(m, BLOCK_ROWS);
    if (m <= s->few) {
        const long several = s->several[m];
        for (; b.first + several <= b.last && (b.first + several) * panel <= b.n; b.first += several)
            s->wide[m](k, a, a_stride, panel_at(s, &b, b.first), panel * b.height, c + b.first * panel, c_stride, old,
                       c + (b.first + several) * panel, (fetched){0});
    }
    for (long block = 0; block < blocks; block++) {
        const long top = begin(m, blocks, block), rows = begin(m, blocks, block + 1) - top, tiles = parts_of(rows, s->rows);
        const float *source = a + top * a_stride;
        long source_stride = a_stride;
        if (a_stride % ALIASING == 0 && rows > 4) {
            source_stride = k + 16;
            for (long i = 0; i < rows; i++)
                memcpy(work->rows + i * source_stride, source + i * a_stride, (size_t)k * sizeof(float));
            source = work->rows;
        }
        for (long p = b.first; p < b.last; p++) {
            const long columns = columns_of(s, b.n, p), width = width_of(s, columns);
            tile_function *const *functions = width == panel ? s->whole : s->narrow;
            // All tiles of a panel fetch the next one together: it may come from memory, and must not keep the first tile waiting.
            // After the last panel comes the first, for the next block of rows or the next product. A tile that is alone
            // already fetches what it can.
            const long share = tiles == 1 ? 0 : width / tiles;
            fetched ahead = {panel_at(s, &b, p + 1 < b.last ? p + 1 : b.first), share, k};
            for (long t = 0; t < tiles; t++, ahead.from += k * share) {
                const long i = begin(rows, tiles, t), count = begin(rows, tiles, t + 1) - i;
                float *to = c + (top + i) * c_stride + p * panel;
                multiply_tile(functions[count], count, columns, width, k, source + i * source_stride, source_stride,
                              panel_at(s, &b, p), to, c_stride, old,
                              t + 1 < tiles ? to + count * c_stride : c + top * c_stride + (p + 1) * panel, ahead);
            }
        }
    }
}

// What the next block of a^T will copy to slabs: each tile that is computed until then fetches a piece of some steps.
typedef struct coming {
    const float *from;
    long stride, k;
    long width, pieces;  // of a step's columns, which may begin anywhere in a cache line
    long steps;          // of a piece
    long step, piece;    // the next
} coming;

static coming coming_block(const lockstep_kernels *s, const float *from, long stride, long k, long rows, long tiles) {
    const long width = 2 * s->lanes, pieces = parts_of(rows + 15, width), shares = tiles / pieces;
    if (rows == 0 || shares == 0) return (coming){0};
    return (coming){from, stride, k, width, pieces, parts_of(k, shares), 0, 0};
}

static fetched next_piece(coming *x) {
    if (x->step >= x->k) return (fetched){0};
    const fetched piece = {x->from + x->step * x->stride + x->piece * x->width, x->stride, smaller(x->steps, x->k - x->step)};
    if (++x->piece == x->pieces) {
        x->piece = 0;
        x->step += x->steps;
    }
    return piece;
}

// k steps of c = a^T b, with a [k, m]. The panels have just been packed; what lies far away is the next block of a.
static void multiply_slabs(const lockstep_kernels *s, long m, long k, const float *a, long a_stride, panels b, float *c,
                           long c_stride, enum old_c old, workspace *work) {
    const long panel = 2 * s->lanes, blocks = parts_of(m, SLAB_ROWS);
    for (long block = 0; block < blocks; block++) {
        const long top = begin(m, blocks, block), end = begin(m, blocks, block + 1), rows = end - top;
        const long tiles = parts_of(rows, s->rows), rows_after = block + 1 < blocks ? begin(m, blocks, block + 2) - end : 0;
        s->copy_to_slabs(a + top, a_stride, &(lockstep_leaves){.count = 1, .steps = 1, .width = k}, rows, work->rows);
        coming after = coming_block(s, a + end, a_stride, k, rows_after, tiles * (b.last - b.first));
        for (long p = b.first; p < b.last; p++) {
            const long columns = columns_of(s, b.n, p), width = width_of(s, columns);
            tile_function *const *functions = width == panel ? s->slab_whole : s->slab_narrow;
            for (long t = 0; t < tiles; t++) {
                const long i = begin(rows, tiles, t), count = begin(rows, tiles, t + 1) - i;
                float *to = c + (top + i) * c_stride + p * panel;
                multiply_tile(functions[count], count, columns, width, k, work->rows + t * k * s->lanes, 0, panel_at(s, &b, p), to,
                              c_stride, old, t + 1 < tiles ? to + count * c_stride : c + top * c_stride + (p + 1) * panel,
                              next_piece(&after));
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
    const long steps = block_steps(p->k, p->kernels->steps), count = lockstep_panel_count(p->kernels, p->n);
    for (long step = 0; step < p->k; step += steps)
        multiply_in_place(p->kernels, p->m, smaller(steps, p->k - step), p->a + step, p->a_stride,
                          (panels){p->b, p->k, step, begin(count, parts, part), begin(count, parts, part + 1), p->n}, p->c,
                          p->c_stride, p->accumulate || step > 0 ? CONTINUED : REPLACED, work);
}

bool lockstep_multiply_packed(const lockstep_kernels *s, long m, long n, long k, const float *a, long a_stride,
                              const float *packed, float *c, long c_stride, bool accumulate) {
    product p = {s, m, n, k, a, a_stride, false, packed, 0, false, c, c_stride, accumulate, whole, false};
    lockstep_parallel(threads_for(m * n * k, WORTH_MULTIPLYING, lockstep_panel_count(s, n)), multiply_packed_part, &p);
    return !atomic_load(&p.failed);
}

// - m: rows of each slice.
static void multiply_block(const product *p, long m, long n, const float *a, const float *b, float *c, workspace *work) {
    const lockstep_kernels *s = p->kernels;
    const long most = p->a_transposed ? SLAB_STEPS : s->steps, steps = block_steps(p->k, most), width = PANEL_FLOATS / most;
    for (long j = 0; j < n; j += width) {
        const long columns = smaller(width, n - j), count = lockstep_panel_count(s, columns);
        for (long step = 0; step < p->k; step += steps) {
            const long height = smaller(steps, p->k - step);
            const float *corner = p->b_transposed ? b + j * p->b_stride + step : b + step * p->b_stride + j;
            pack_panels(&(packing){s, corner, p->b_stride, p->b_transposed, height, columns, 0, count, work->panels}, 0, count);
            const panels packed = {work->panels, height, 0, 0, count, columns};
            const enum old_c old = p->accumulate || step > 0 ? CONTINUED : REPLACED;
            for (long slice = 0; slice < p->slices.count; slice++) {
                const long first = slice * p->slices.stride;
                float *to = c + first * p->c_stride + j;
                if (p->a_transposed)
                    multiply_slabs(s, m, height, a + first + step * p->a_stride, p->a_stride, packed, to, p->c_stride, old, work);
                else
                    multiply_in_place(s, m, height, a + first * p->a_stride + step, p->a_stride, packed, to, p->c_stride, old, work);
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
