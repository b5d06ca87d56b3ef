// The loops of include/masks.h, written once for all instruction sets.
#include "lanes.h"

typedef uint32_t words __attribute__((ext_vector_type(LANES)));
typedef uint64_t long_words __attribute__((ext_vector_type(LANES)));

// Columns that the blocks of one vector mask.
#define MASKED (8 * LANES)

// Philox4x32-10 at LANES counters that follow each other. A numeric conversion from 32 bits and a product of constants of 32 bits
// compile to one multiplication of 32 by 32 bits.
ALWAYS_INLINE void random_words(words c[4], uint32_t key0, uint32_t key1) {
    for (int round = 0; round < 10; round++) {
        const long_words p0 = __builtin_convertvector(c[0], long_words) * (uint64_t)0xD2511F53;
        const long_words p1 = __builtin_convertvector(c[2], long_words) * (uint64_t)0xCD9E8D57;
        c[0] = __builtin_convertvector(p1 >> 32, words) ^ c[1] ^ key0;
        c[1] = __builtin_convertvector(p1, words);
        c[2] = __builtin_convertvector(p0 >> 32, words) ^ c[3] ^ key1;
        c[3] = __builtin_convertvector(p0, words);
        key0 += 0x9E3779B9;
        key1 += 0xBB67AE85;
    }
}

// The 16 bits of each of MASKED columns, in their order.
ALWAYS_INLINE void random_bits(uint32_t bits[MASKED], const words c[4]) {
    UNROLLED for (long w = 0; w < 4; w++) {
        uint32_t word[LANES];
        *(words *)word = c[w];
        for (long group = 0; group < LANES / 8; group++)
            for (long i = 0; i < 8; i++) {
                bits[64 * group + 16 * w + i] = word[8 * group + i] & 0xFFFF;
                bits[64 * group + 16 * w + 8 + i] = word[8 * group + i] >> 16;
            }
    }
}

static void mask(const float *source, long source_stride, float *result, long result_stride, long rows, long columns,
                 uint32_t threshold, float scale, const uint32_t counter[3], const uint32_t key[2]) {
    words block;
    for (long lane = 0; lane < LANES; lane++) block[lane] = (uint32_t)lane;
    for (long first = 0; first < columns; first += MASKED) {
        words c[4] = {block + (uint32_t)(first / 8), (words)counter[0], (words)counter[1], (words)counter[2]};
        random_words(c, key[0], key[1]);
        uint32_t bits[MASKED] __attribute__((aligned(64)));
        random_bits(bits, c);
        for (long row = 0; row < rows; row++) {
            const float *from = source + row * source_stride + first;
            float *to = result + row * result_stride + first;
            EACH_PLACE(smaller(MASKED, columns - first), {
                const vector kept = load(from + j, n) * scale;
                store(to + j, n, *(const words *)(bits + j) < threshold ? (vector)0 : kept);
            })
        }
    }
}
