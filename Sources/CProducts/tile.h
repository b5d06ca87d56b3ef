// The micro-kernel: a tile of a few rows by a panel of columns, whose sums stay in registers while k runs; and packing.
// Written once for all instruction sets (instructions.h).
#include "lanes.h"

// Keeps the compiler from knowing a value.
#define HIDE(value) __asm__("" : "+r"(value))

// rows, panels, vectors (of a panel) and kind are constants at every call: that is what keeps the sums in registers.
static inline __attribute__((always_inline)) void tile(
    const long rows, const long panels, const long vectors, const enum kind kind, long k, const float *a, long a_stride,
    const float *b, long panel_stride, float *c, long c_stride, enum old_c old, const float *next, fetched ahead) {
    const long a_row = kind == SLAB ? 1 : a_stride, a_step = kind == SLAB ? LANES : 1;
    // How far the rows of a are from the first: odd multiples of a_row, and twice, four or eight times these, which an x86 address can
    // contain. If the compiler knew the odd ones, it would compute each address from the one before, in every step.
    long distance[MOST_ROWS] = {0};
    UNROLLED for (long i = 1; i < rows; i++) {
        distance[i] = i % 2 ? i * a_row : 2 * distance[i / 2];
        if (i % 2) HIDE(distance[i]);
    }
    const long stretch = panels > 1 ? k : kind == SLAB ? STRETCH : 4 * STRETCH;
    vector sum[MOST_ROWS][8];
    UNROLLED for (long i = 0; i < rows; i++) {
        UNROLLED for (long v = 0; v < panels * vectors; v++)
            sum[i][v] = old == CONTINUED ? *(const unaligned_vector *)(c + i * c_stride + v * LANES) : (vector)0.0f;
    }
    for (long begin = 0, i = 0, line = 0; begin < k; begin += stretch) {
        const long end = smaller(begin + stretch, k);
        for (; i * k < 2 * rows * end && i < rows; i++)
            UNROLLED for (long v = 0; v <= panels * vectors; v++) __builtin_prefetch(next + i * c_stride + v * LANES, 1);
        for (; kind != SHARED && line * k < ahead.count * end; line++)
            UNROLLED for (long v = 0; v < 2; v += 16 / LANES)
                __builtin_prefetch(ahead.from + line * ahead.step + v * LANES, 0, 2);
// Unrolled, twelve rows would not fit into the registers, and others gain nothing.
#pragma clang loop unroll(disable)
        for (long step = begin; step < end; step++) {
            vector row[8];
            UNROLLED for (long p = 0; p < panels; p++) UNROLLED for (long v = 0; v < vectors; v++) {
                const float *place = b + p * panel_stride + (step * vectors + v) * LANES;
                row[p * vectors + v] = *(const vector *)place;
                if (AHEAD && v % (16 / LANES) == 0) __builtin_prefetch(place + (panels > 1 ? ahead.step : AHEAD));
            }
            if (kind == SHARED) __builtin_prefetch(ahead.from + step * ahead.step, 0, 2);
            UNROLLED for (long i = 0; i < rows; i++) {
                const vector x = (vector)a[distance[i]];
                UNROLLED for (long v = 0; v < panels * vectors; v++) sum[i][v] = __builtin_elementwise_fma(x, row[v], sum[i][v]);
            }
            a += a_step;
            HIDE(a);
        }
    }
    UNROLLED for (long i = 0; i < rows; i++)
        UNROLLED for (long v = 0; v < panels * vectors; v++) {
            unaligned_vector *place = (unaligned_vector *)(c + i * c_stride + v * LANES);
            *place = old == ADDED ? *place + sum[i][v] : sum[i][v];
        }
}

#define TILE(name, rows, panels, vectors, kind)                                                                     \
    static void name##_##rows(long k, const float *a, long a_stride, const float *b, long panel_stride, float *c,   \
                              long c_stride, enum old_c old, const float *next, fetched ahead) {                    \
        tile(rows, panels, vectors, kind, k, a, a_stride, b, panel_stride, c, c_stride, old, next, ahead);          \
    }
#define TILES(rows)                         \
    TILE(shared_narrow, rows, 1, 1, SHARED) \
    TILE(shared_whole, rows, 1, 2, SHARED)  \
    TILE(plain_narrow, rows, 1, 1, PLAIN)   \
    TILE(plain_whole, rows, 1, 2, PLAIN)    \
    TILE(slab_narrow, rows, 1, 1, SLAB)     \
    TILE(slab_whole, rows, 1, 2, SLAB)
TILES(1) TILES(2) TILES(3) TILES(4) TILES(5) TILES(6)
TILE(wide, 1, 4, 2, PLAIN)
TILE(wide, 2, 2, 2, PLAIN)
#define SIX(name) 0, name##_1, name##_2, name##_3, name##_4, name##_5, name##_6
#if ROWS == 12
TILES(7) TILES(8) TILES(9) TILES(10) TILES(11) TILES(12)
TILE(wide, 3, 2, 2, PLAIN)
#define ALL(name) {SIX(name), name##_7, name##_8, name##_9, name##_10, name##_11, name##_12}
#define WIDE {0, wide_1, wide_2, wide_3}
#define FEW 3
#else
#define ALL(name) {SIX(name)}
#define WIDE {0, wide_1, wide_2}
#define FEW 2
#endif

typedef float eight __attribute__((ext_vector_type(8)));
typedef float unaligned_eight __attribute__((ext_vector_type(8), aligned(4)));

// How sixteen floats, a line, are stored: into the caches, or past them, so that the line is not read before it is overwritten. They are
// two functions because the compiler makes one ordinary store of two branches.
typedef void put_function(float *line, eight low, eight high);
static inline void put_near(float *line, eight low, eight high) {
    *(eight *)line = low;
    *(eight *)(line + 8) = high;
}
static inline void put_far(float *line, eight low, eight high) {
#if LANES == 16
    const vector all = __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __builtin_nontemporal_store(all, (vector *)line);
#else
    __builtin_nontemporal_store(low, (eight *)line);
    __builtin_nontemporal_store(high, (eight *)(line + 8));
#endif
}

static inline __attribute__((always_inline)) void pack(
    const float *b, long b_stride, long k, long columns, long width, float *panel, put_function *put) {
    for (long step = 0; step < k; step++, b += b_stride, panel += width) {
        if (columns == 2 * LANES) {
            UNROLLED for (long j = 0; j < 2 * LANES; j += 16)
                put(panel + j, *(const unaligned_eight *)(b + j), *(const unaligned_eight *)(b + j + 8));
        } else {
            for (long j = 0; j < width; j++) panel[j] = j < columns ? b[j] : 0;
        }
    }
}

// Transposes eight floats of each of eight rows of b: swaps pairs, then quadruples, then halves.
static inline __attribute__((always_inline)) void transpose(const float *b, long b_stride, eight columns[8]) {
    eight r[8], pairs[8], quads[8];
    UNROLLED for (int i = 0; i < 8; i++) r[i] = *(const unaligned_eight *)(b + i * b_stride);
    UNROLLED for (int i = 0; i < 8; i += 2) {
        pairs[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        pairs[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    UNROLLED for (int i = 0; i < 8; i += 4) UNROLLED for (int j = 0; j < 2; j++) {
        quads[i + 2 * j] = __builtin_shufflevector(pairs[i + j], pairs[i + 2 + j], 0, 1, 8, 9, 4, 5, 12, 13);
        quads[i + 2 * j + 1] = __builtin_shufflevector(pairs[i + j], pairs[i + 2 + j], 2, 3, 10, 11, 6, 7, 14, 15);
    }
    UNROLLED for (int i = 0; i < 4; i++) {
        columns[i] = __builtin_shufflevector(quads[i], quads[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        columns[i + 4] = __builtin_shufflevector(quads[i], quads[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

static inline __attribute__((always_inline)) void pack_transposed(
    const float *b, long b_stride, long k, long columns, long width, float *panel, put_function *put) {
    const long whole_k = k & ~7, whole_columns = columns & ~7;
    for (long step = 0; step < whole_k; step += 8) {
        const float *from = b + step;
        float *to = panel + step * width;
        long j = 0;
        eight low[8], high[8];
        for (; j + 16 <= columns; j += 16) {
            transpose(from + j * b_stride, b_stride, low);
            transpose(from + (j + 8) * b_stride, b_stride, high);
            UNROLLED for (long i = 0; i < 8; i++) put(to + i * width + j, low[i], high[i]);
        }
        for (; j < whole_columns; j += 8) {
            transpose(from + j * b_stride, b_stride, low);
            UNROLLED for (long i = 0; i < 8; i++) *(unaligned_eight *)(to + i * width + j) = low[i];
        }
    }
    for (long step = 0; step < k; step++)
        for (long j = step < whole_k ? whole_columns : 0; j < width; j++)
            panel[step * width + j] = j < columns ? b[j * b_stride + step] : 0;
}

#define PACK(packer, put)                                                                                                  \
    static void packer##_##put(const float *b, long b_stride, long k, long columns, long width, float *panel) {            \
        packer(b, b_stride, k, columns, width, panel, put);                                                                \
    }
PACK(pack, put_near)
PACK(pack, put_far)
PACK(pack_transposed, put_near)
PACK(pack_transposed, put_far)

static void add_rows(float *to, long to_stride, const float *from, long width, long rows) {
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < width; j += LANES)
            *(unaligned_vector *)(to + i * to_stride + j) += *(const vector *)(from + i * width + j);
}

static void copy_to_slabs(const float *a, long a_stride, const int32_t *steps, long k, long rows, float *slabs) {
    const long tiles = parts_of(rows, ROWS), ahead = 8;
    long counts[BLOCK_ROWS / ROWS];
    for (long t = 0; t < tiles; t++) counts[t] = begin(rows, tiles, t + 1) - begin(rows, tiles, t);
    for (long q = 0; q < k; q++) {
        // Steps lie far apart, so that the processor does not expect the next ones: eight of them are on their way.
        const float *from = a + (steps ? steps[q] : q) * a_stride;
        const float *later = a + (!steps ? q + ahead : steps[smaller(q + ahead, k - 1)]) * a_stride;
        for (long t = 0; t < tiles; t++) {
            __builtin_prefetch(later);
            *(vector *)(slabs + t * k * LANES) = LOAD_FIRST(from, counts[t]);
            from += counts[t];
            later += counts[t];
        }
        slabs += LANES;
    }
}
