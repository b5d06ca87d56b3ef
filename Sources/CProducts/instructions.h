// Everything that exists once for each instruction set. The including file defines
//     NAME    of the instruction set
//     LANES   floats of a vector
//     ROWS    of the largest tile: 6 or 12, such that its sums, a row of the panel and one operand fit into the registers
//     STEPS   of k in a block
//     AHEAD   how far ahead in its panel a tile fetches for the first cache, in floats; 0 if the processor alone is better at it
//     STRETCH steps of a slab's tile between two fetches of what comes next: fewer where the multipliers are faster; a tile in
//             place takes four times as many
// and, where there are instructions for it, LOAD_FIRST(from, n) and STORE_FIRST(to, n, v): the first n lanes of a vector.
#include "tile.h"
#include "cell_loops.h"
#include "softmax_loops.h"
#include "mask_loops.h"

#define TEXT(name) #name
#define KERNELS_(name)                                                                                                         \
    const lockstep_kernels lockstep_##name = {                                                                                  \
        TEXT(name), LANES, ROWS, STEPS, AHEAD,                                                                                  \
        {{ALL(shared_narrow), ALL(shared_whole)}, {ALL(plain_narrow), ALL(plain_whole)}, {ALL(slab_narrow), ALL(slab_whole)}}, \
        FEW, {1, 4, 2, 2}, WIDE, {pack_put_near, pack_put_far},                                                                  \
        {pack_transposed_put_near, pack_transposed_put_far}, copy_to_slabs, add_rows, CELLS, SOFTMAX, mask};
#define KERNELS(name) KERNELS_(name)
KERNELS(NAME)
