// The parts of an instruction set: tiles and packing, which the loops in products.c need, cells, softmax and masks.
#ifndef LOCKSTEP_KERNELS_H
#define LOCKSTEP_KERNELS_H

#include "CProducts.h"

#include <stdint.h>

// Rows of the largest tile of any instruction set, and floats of the widest panel.
#define MOST_ROWS 12
#define WIDEST_PANEL 32
// Rows of a in a block: they stay in the second cache while all panels pass by.
#define BLOCK_ROWS 192

// What becomes of the old c: nothing, the chains begin at it, or their results are added to it.
enum old_c { REPLACED, CONTINUED, ADDED };

// Where a tile's rows are, and what it fetches to the second cache meanwhile.
//   SHARED    in place; a piece at each step: a few tiles together fetch a whole panel
//   PLAIN     in place; a few pieces between two stretches of steps, or none
//   SLAB      in a slab; the same
enum kind { SHARED, PLAIN, SLAB, KINDS };

// What a tile fetches to the second cache: `count` pieces as wide as a panel, `step` floats apart. A SHARED one fetches a cache line at
// each step, whatever the count. A tile of several panels fetches these themselves, `step` floats ahead, for the first cache.
typedef struct fetched {
    const float *from;
    long step, count;
} fetched;

// c [rows, panel] = a b over k steps.
//   a         in place, a_stride floats between rows and 1 between steps; or in a slab, 1 between rows and a vector between steps
//   b         one packed panel; `panel_stride` floats to the next, for tiles of several panels
//   next      the next tile of c, which is fetched meanwhile
//   ahead     this tile's share of what comes after it
typedef void tile_function(long k, const float *a, long a_stride, const float *b, long panel_stride, float *c,
                           long c_stride, enum old_c old, const float *next, fetched ahead);

typedef void pack_function(const float *b, long b_stride, long k, long columns, long width, float *panel);

// Tiles by number of rows; entry 0 is empty.
typedef tile_function *tile_functions[MOST_ROWS + 1];

struct lockstep_kernels {
    const char *name;
    long lanes;  // floats of a vector; a panel is two vectors wide, the last may be one
    long rows;   // of the largest tile
    long steps;  // of k in a block, where a is used in place
    long ahead;  // how far ahead in its own panel a tile fetches for the first cache, in floats; 0: not at all
    tile_functions tiles[KINDS][2];  // for panels of one vector, and of two
    // Tiles of `several` whole panels for so few rows that one panel has too few chains to keep the multipliers busy.
    long few;
    long several[4];
    tile_functions wide;
    // Copies `columns` of k rows of b to a panel of `width` columns, and pads with zeros: into the caches, or past them.
    pack_function *pack[2], *pack_transposed[2];
    // Copies k steps of a, stored as [.., rows], to slabs, one for each tile, in which the rows of a step are adjacent: the first
    // ones, or those that `steps` lists.
    void (*copy_to_slabs)(const float *a, long a_stride, const int32_t *steps, long k, long rows, float *slabs);
    // Adds the rows of a panel, `width` columns of whole vectors, to rows `to_stride` apart.
    void (*add_rows)(float *to, long to_stride, const float *from, long width, long rows);
    lockstep_cells cells;
    lockstep_softmax softmax;
    lockstep_mask *mask;
};

static inline long smaller(long a, long b) { return a < b ? a : b; }
// How many parts of at most `most` there are in `count`, and where part i of `parts` begins if they are alike.
static inline long parts_of(long count, long most) { return (count + most - 1) / most; }
static inline long begin(long count, long parts, long i) { return count * i / parts; }

// What tile t of a panel fetches, if all of them together fetch another panel of k steps.
static inline fetched share_of(const float *panel, long k, long width, long tiles, long t) {
    const long first = begin(k, tiles, t);
    return (fetched){panel + first * width, width, begin(k, tiles, t + 1) - first};
}

// Columns of a panel, and the width that they are packed with.
static inline long columns_of(const lockstep_kernels *s, long n, long panel) {
    return smaller(2 * s->lanes, n - panel * 2 * s->lanes);
}
static inline long width_of(const lockstep_kernels *s, long columns) {
    return columns > s->lanes ? 2 * s->lanes : s->lanes;
}

// Threads for a job of `work` that can be cut into `most` parts, if each should have at least `worth`.
static inline long threads_for(long work, long worth, long most) {
    const long threads = smaller(smaller(lockstep_threads(), work / worth), most);
    return threads > 1 ? threads : 1;
}

// A matrix b [k, n] of which panels first ..< last are packed.
typedef struct packing {
    const lockstep_kernels *kernels;
    const float *b;
    long b_stride;
    bool b_transposed;
    long k, n, first, last;
    float *packed;
    bool far;  // past the caches
} packing;

// Packs some panels, numbered as those of all of b.
void pack_panels(const packing *p, long first, long last);

extern const lockstep_kernels lockstep_portable;
#if defined(__x86_64__)
extern const lockstep_kernels lockstep_avx2, lockstep_avx512;
#endif

// Whether this processor reads several panels at once faster if a tile does not fetch them ahead.
bool fetches_well(void);

// The rounding mode of this thread, and its treatment of denormal numbers.
uint64_t floating_point_mode(void);
void set_floating_point_mode(uint64_t mode);

#endif
