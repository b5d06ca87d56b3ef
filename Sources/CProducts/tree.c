// Weight gradients that are the same whoever computes them: the rows of a chunk are cut into leaves, each leaf's product is
// one chain, and the leaves are added along a tree. docs/products.md has the picture.
//
// The tree is walked for one panel of c and one block of its rows at a time, so that the sums of its nodes never leave the
// caches: memory is written once, as for a plain product.
#include "coming.h"
#include "kernels.h"

#include <string.h>

// Rows of c in a block, and floats of a's columns packed for them: the copy must still be in the second cache when it is used.
#define MOST_BLOCK_ROWS 72
#define SLAB_FLOATS (128L << 10)
// Floats of packed b that stay near enough to be read again for each block. Tiles fetch the panels of a larger one.
#define NEAR_FLOATS (512L << 10)
// Multiply-adds, or floats to pack, that are worth another thread.
#define WORTH_SHARING (1L << 18)
// Sums that exist at a time beside c: of right children, with 2^16 leaves, and of a last panel that is wider than c.
#define DEPTH 17

long lockstep_left_leaves(long leaves) { return (leaves + 1) / 2; }

// As few rows as a tile has where there are many to sum over.
static long block_rows(const lockstep_kernels *s, long k) {
    const long rows = SLAB_FLOATS / k;
    return rows < s->rows ? s->rows : smaller(rows, MOST_BLOCK_ROWS);
}

// Enough for the slabs of a block with k steps or fewer, since the last tile may be smaller than the others.
static size_t block_slab_floats(const lockstep_kernels *s, long k) {
    return (size_t)(SLAB_FLOATS * s->lanes / s->rows + s->lanes * k + 15) & ~(size_t)15;
}

// Of one thread: slabs and partial sums.
static size_t thread_floats(const lockstep_kernels *s, long k) {
    return block_slab_floats(s, k) + (size_t)DEPTH * MOST_BLOCK_ROWS * WIDEST_PANEL;
}

static size_t packed_floats(const lockstep_kernels *s, long k, long n) {
    return (lockstep_packed_count(s, k, n) + 15) & ~(size_t)15;
}

size_t lockstep_tree_workspace(const lockstep_kernels *s, long k, long n, long threads) {
    return packed_floats(s, k, n) + (size_t)threads * thread_floats(s, k);
}

// One panel of c and one block of its rows.
typedef struct unit {
    const lockstep_kernels *kernels;
    tile_function *const *functions;
    const int32_t *begins;  // of the leaves
    long total;             // steps of all leaves
    long rows, tiles;       // of the block
    const float *slabs;     // [tiles][total][vector]
    const float *panel;     // [total][width]
    long width;
    coming *later;
} unit;

// The product of one leaf, replacing what `to` holds or added to it.
static void leaf(const unit *u, long index, float *to, long stride, enum old_c old) {
    const long step = u->begins[index] - u->begins[0], k = u->begins[index + 1] - u->begins[index];
    const float *panel = u->panel + step * u->width;
    for (long t = 0; t < u->tiles; t++) {
        const long i = begin(u->rows, u->tiles, t), count = begin(u->rows, u->tiles, t + 1) - i;
        float *tile = to + i * stride;
        // The next block; without one, what follows in the panel, or the next panel.
        const fetched piece = take(u->later), ahead = piece.count ? piece : share_of(panel + k * u->width, k, u->width, u->tiles, t);
        u->functions[count](k, u->slabs + (t * u->total + step) * u->kernels->lanes, 0, panel, 0, tile, stride, old,
                            tile + count * stride, ahead);
    }
}

// The sum of `count` leaves from `first` on; `partial` has room for the sums of right children.
static void node(const unit *u, long first, long count, float *to, long stride, float *partial) {
    if (count == 1) {
        leaf(u, first, to, stride, REPLACED);
        return;
    }
    const long left = lockstep_left_leaves(count), right = count - left;
    node(u, first, left, to, stride, partial);
    if (right == 1) {
        leaf(u, first + left, to, stride, ADDED);
        return;
    }
    node(u, first + left, right, partial, u->width, partial + MOST_BLOCK_ROWS * WIDEST_PANEL);
    u->kernels->add_rows(to, stride, partial, u->width, u->rows);
}

typedef struct product {
    const lockstep_kernels *kernels;
    long m, n;
    const float *a;
    long a_stride;
    const float *b;
    long b_stride;
    const lockstep_leaves *leaves;
    float *c;
    long c_stride;
    const int32_t *rows;  // of all leaves, one leaf after another
    long total;
    float *packed, *threads;
} product;

// Row q of the packed form is row q of the leaves.
static void pack_part(void *context, long part, long parts) {
    const product *x = context;
    const lockstep_kernels *s = x->kernels;
    const long panel = 2 * s->lanes, panels = lockstep_panel_count(s, x->n);
    for (long p = begin(panels, parts, part); p < begin(panels, parts, part + 1); p++) {
        const long columns = columns_of(s, x->n, p), width = width_of(s, columns);
        float *to = x->packed + p * panel * x->total;
        // Neighbours are packed together.
        for (long q = 0, run; q < x->total; q += run) {
            for (run = 1; q + run < x->total && x->rows[q + run] == x->rows[q] + run;) run++;
            s->pack[false](x->b + x->rows[q] * x->b_stride + p * panel, x->b_stride, run, columns, width, to + q * width);
        }
    }
}

// Rows of c in parts, of whole blocks.
static void multiply_part(void *context, long part, long parts) {
    const product *x = context;
    const lockstep_kernels *s = x->kernels;
    const long panel = 2 * s->lanes, panels = lockstep_panel_count(s, x->n), blocks = parts_of(x->m, block_rows(s, x->total));
    const long steps = x->rows[x->total - 1] - x->rows[0] + 1;  // as many as x->total, unless others lie between the leaves
    float *slabs = x->threads + part * thread_floats(s, x->total), *partial = slabs + block_slab_floats(s, x->total);
    for (long block = begin(blocks, parts, part); block < begin(blocks, parts, part + 1); block++) {
        const long top = begin(x->m, blocks, block), rows = begin(x->m, blocks, block + 1) - top, tiles = parts_of(rows, s->rows);
        s->copy_to_slabs(x->a + top, x->a_stride, x->rows, x->total, rows, slabs);
        const bool fetches = block + 1 < begin(blocks, parts, part + 1) && steps == x->total && x->total * x->n <= NEAR_FLOATS;
        coming later = coming_block(s, x->a + x->rows[0] * x->a_stride + top + rows, x->a_stride, steps, fetches ? rows : 0,
                                    tiles * panels * x->leaves->count);
        for (long p = 0; p < panels; p++) {
            const long columns = columns_of(s, x->n, p), width = width_of(s, columns);
            const unit u = {s, s->tiles[SLAB][width == panel], x->leaves->begins, x->total, rows, tiles, slabs,
                            x->packed + p * panel * x->total, width, &later};
            float *to = x->c + top * x->c_stride + p * panel;
            if (columns == width) {
                node(&u, 0, x->leaves->count, to, x->c_stride, partial);
                continue;
            }
            // The last panel is wider than what is left of c.
            node(&u, 0, x->leaves->count, partial, width, partial + MOST_BLOCK_ROWS * WIDEST_PANEL);
            for (long i = 0; i < rows; i++)
                memcpy(to + i * x->c_stride, partial + i * width, (size_t)columns * sizeof(float));
        }
    }
}

void lockstep_multiply_tree(const lockstep_kernels *s, long m, long n, const lockstep_slices *slices, const float *a,
                            long a_stride, const float *b, long b_stride, const lockstep_leaves *leaves, float *c, long c_stride,
                            long threads, float *workspace) {
    const long total = leaves->begins[leaves->count] - leaves->begins[0];
    product x = {s, m, n, a, a_stride, b, b_stride, leaves, c, c_stride, leaves->rows + leaves->begins[0], total, workspace,
                 workspace + packed_floats(s, total, n)};
    const long most = smaller(threads, lockstep_threads());
    const long useful = total * n / WORTH_SHARING < 1 ? 1 : most;
    lockstep_parallel(smaller(useful, lockstep_panel_count(s, n)), pack_part, &x);
    for (long slice = 0; slice < slices->count; slice++) {
        x.a = a + slice * slices->stride;
        x.c = c + slice * slices->stride * c_stride;
        lockstep_parallel(m * n * total / WORTH_SHARING < most ? 1 : smaller(most, parts_of(m, block_rows(s, total))),
                          multiply_part, &x);
    }
}
