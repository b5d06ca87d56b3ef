// For every processor. The compiler turns vectors and fused multiply-adds into what the target has: 32 registers of four
// floats on ARM; calls of the C library's fmaf, which are slow and exact, on x86-64 without the FMA instructions.
#define NAME portable
#define LANES 8
#define ROWS 6
#define STEPS 384
#define AHEAD 0
#define STRETCH 32
#include "instructions.h"
