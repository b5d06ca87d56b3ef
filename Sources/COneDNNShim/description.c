#include "COneDNNShim.h"

#include <stdio.h>

static const char *instructions(void) {
    switch ((unsigned)dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41: return "SSE 4.1";
    case dnnl_cpu_isa_avx: return "AVX";
    case dnnl_cpu_isa_avx2: return "AVX2";
    case dnnl_cpu_isa_avx2_vnni: return "AVX2 with VNNI";
    case dnnl_cpu_isa_avx512_core: return "AVX-512";
    case dnnl_cpu_isa_avx512_core_vnni: return "AVX-512 with VNNI";
    case dnnl_cpu_isa_avx512_core_bf16: return "AVX-512 with bf16";
    case dnnl_cpu_isa_avx512_core_amx: return "AVX-512 with AMX";
    default: return NULL;
    }
}

void lockstep_describe(char *text, size_t capacity) {
    const dnnl_version_t *version = dnnl_version();
    const char *name = instructions();
    char number[32];
    snprintf(number, sizeof number, "ISA %#x", (unsigned)dnnl_get_effective_cpu_isa());
    snprintf(text, capacity, "oneDNN %d.%d.%d, %s", version->major, version->minor, version->patch, name ? name : number);
}
