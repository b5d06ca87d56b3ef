// Dropout masks (Sources/Kernels/Dropout.swift).
#ifndef LOCKSTEP_MASKS_H
#define LOCKSTEP_MASKS_H

#include <stdint.h>

// A mask of `columns` values, applied to some rows: from source to result, which may be the same memory.
//
// A value is dropped where its 16 random bits are below `threshold`, and multiplied by `scale` elsewhere. The bits are those of
// Philox4x32-10 (Salmon et al. 2011) with this key and the counters (block, counter[0], counter[1], counter[2]): word w of block
// 8 g + i masks columns 64 g + 16 w + i with its low half, and 64 g + 16 w + 8 + i with its high half.
typedef void lockstep_mask(const float *source, long source_stride, float *result, long result_stride, long rows, long columns,
                           uint32_t threshold, float scale, const uint32_t counter[3], const uint32_t key[2]);

#endif
