#include "COneDNNShim.h"

#include <stdlib.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif


struct lockstep_product {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t matmul, reorder;
    dnnl_memory_t a, plain, packed, c, scratch;
    size_t packed_size, scratch_size;
};

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t description;
#define CONST_DESCRIPTION(d) (d)
static dnnl_status_t describe(description *d, int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride) {
    dnnl_dims_t dims = {rows, columns}, strides = {row_stride, column_stride};
    return dnnl_memory_desc_create_with_strides(d, 2, dims, dnnl_f32, strides);
}
static dnnl_status_t describe_any(description *d, int64_t rows, int64_t columns) {
    dnnl_dims_t dims = {rows, columns};
    return dnnl_memory_desc_create_with_tag(d, 2, dims, dnnl_f32, dnnl_format_tag_any);
}
static void forget(description *d) {
    if (*d) dnnl_memory_desc_destroy(*d);
}
#define EMPTY_DESCRIPTION NULL
#define POST_SUM(ops) dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef)
#else
typedef dnnl_memory_desc_t description;
#define CONST_DESCRIPTION(d) (&(d))
static dnnl_status_t describe(description *d, int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride) {
    dnnl_dims_t dims = {rows, columns}, strides = {row_stride, column_stride};
    return dnnl_memory_desc_init_by_strides(d, 2, dims, dnnl_f32, strides);
}
static dnnl_status_t describe_any(description *d, int64_t rows, int64_t columns) {
    dnnl_dims_t dims = {rows, columns};
    return dnnl_memory_desc_init_by_tag(d, 2, dims, dnnl_f32, dnnl_format_tag_any);
}
static void forget(description *d) { (void)d; }
#define EMPTY_DESCRIPTION {0}
#define POST_SUM(ops) dnnl_post_ops_append_sum(ops, 1.0f)
#endif

static size_t size_of(const_dnnl_primitive_desc_t primitive, dnnl_query_t what) {
#if DNNL_VERSION_MAJOR >= 3
    const_dnnl_memory_desc_t d = dnnl_primitive_desc_query_md(primitive, what, 0);
#else
    const dnnl_memory_desc_t *d = dnnl_primitive_desc_query_md(primitive, what, 0);
#endif
    return d ? dnnl_memory_desc_get_size(d) : 0;
}

// Everything made here is either in `p`, destroyed with it, or destroyed before returning.
static dnnl_status_t build(lockstep_product *p, dnnl_primitive_attr_t attributes, dnnl_post_ops_t operations,
                           description *a, description *w, description *any, description *c, int accumulate,
                           dnnl_primitive_desc_t *matmul, dnnl_primitive_desc_t *reorder) {
    dnnl_status_t status;
    if ((status = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user))) return status;
    if (accumulate) {
        if ((status = POST_SUM(operations))) return status;
        if ((status = dnnl_primitive_attr_set_post_ops(attributes, operations))) return status;
    }
#if DNNL_VERSION_MAJOR >= 3
    if ((status = dnnl_matmul_primitive_desc_create(matmul, p->engine, *a, *any, NULL, *c, attributes))) return status;
    const_dnnl_memory_desc_t chosen = dnnl_primitive_desc_query_md(*matmul, dnnl_query_weights_md, 0);
    const_dnnl_memory_desc_t scratch = dnnl_primitive_desc_query_md(*matmul, dnnl_query_scratchpad_md, 0);
#else
    dnnl_matmul_desc_t operation;
    if ((status = dnnl_matmul_desc_init(&operation, a, any, NULL, c))) return status;
    if ((status = dnnl_primitive_desc_create(matmul, &operation, attributes, p->engine, NULL))) return status;
    const dnnl_memory_desc_t *chosen = dnnl_primitive_desc_query_md(*matmul, dnnl_query_weights_md, 0);
    const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(*matmul, dnnl_query_scratchpad_md, 0);
#endif
    if ((status = dnnl_primitive_create(&p->matmul, *matmul))) return status;
    if ((status = dnnl_reorder_primitive_desc_create(reorder, CONST_DESCRIPTION(*w), p->engine, chosen, p->engine, NULL)))
        return status;
    if ((status = dnnl_primitive_create(&p->reorder, *reorder))) return status;
    p->packed_size = size_of(*matmul, dnnl_query_weights_md);
    p->scratch_size = size_of(*matmul, dnnl_query_scratchpad_md);
    if ((status = dnnl_memory_create(&p->a, CONST_DESCRIPTION(*a), p->engine, DNNL_MEMORY_NONE))) return status;
    if ((status = dnnl_memory_create(&p->plain, CONST_DESCRIPTION(*w), p->engine, DNNL_MEMORY_NONE))) return status;
    if ((status = dnnl_memory_create(&p->packed, chosen, p->engine, DNNL_MEMORY_NONE))) return status;
    if ((status = dnnl_memory_create(&p->c, CONST_DESCRIPTION(*c), p->engine, DNNL_MEMORY_NONE))) return status;
    return dnnl_memory_create(&p->scratch, scratch, p->engine, DNNL_MEMORY_NONE);
}

int lockstep_product_create(lockstep_product **product, int64_t m, int64_t k, int64_t n, int64_t lda, int64_t ldc,
                            int transposed, int accumulate) {
    *product = NULL;
    lockstep_product *p = calloc(1, sizeof *p);
    if (!p) return dnnl_out_of_memory;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t operations = NULL;
    dnnl_primitive_desc_t matmul = NULL, reorder = NULL;
    description a = EMPTY_DESCRIPTION, w = EMPTY_DESCRIPTION, any = EMPTY_DESCRIPTION, c = EMPTY_DESCRIPTION;
    dnnl_status_t status = dnnl_engine_create(&p->engine, dnnl_cpu, 0);
    if (!status) status = dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags);
    if (!status) status = dnnl_primitive_attr_create(&attributes);
    if (!status) status = dnnl_post_ops_create(&operations);
    if (!status) status = describe(&a, m, k, lda, 1);
    if (!status) status = describe(&w, k, n, transposed ? 1 : n, transposed ? k : 1);
    if (!status) status = describe_any(&any, k, n);
    if (!status) status = describe(&c, m, n, ldc, 1);
    if (!status) status = build(p, attributes, operations, &a, &w, &any, &c, accumulate, &matmul, &reorder);
    forget(&a), forget(&w), forget(&any), forget(&c);
    if (matmul) dnnl_primitive_desc_destroy(matmul);
    if (reorder) dnnl_primitive_desc_destroy(reorder);
    if (operations) dnnl_post_ops_destroy(operations);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    if (status) {
        lockstep_product_destroy(p);
        return (int)status;
    }
    *product = p;
    return 0;
}

void lockstep_product_destroy(lockstep_product *p) {
    if (!p) return;
    dnnl_memory_t memories[] = {p->a, p->plain, p->packed, p->c, p->scratch};
    for (size_t i = 0; i < sizeof memories / sizeof *memories; i++)
        if (memories[i]) dnnl_memory_destroy(memories[i]);
    if (p->matmul) dnnl_primitive_destroy(p->matmul);
    if (p->reorder) dnnl_primitive_destroy(p->reorder);
    if (p->stream) dnnl_stream_destroy(p->stream);
    if (p->engine) dnnl_engine_destroy(p->engine);
    free(p);
}

size_t lockstep_product_packed_size(const lockstep_product *p) { return p->packed_size; }
size_t lockstep_product_scratch_size(const lockstep_product *p) { return p->scratch_size; }

int lockstep_product_pack(lockstep_product *p, const float *weights, void *packed) {
    dnnl_status_t status;
    if ((status = dnnl_memory_set_data_handle(p->plain, (void *)weights))) return (int)status;
    if ((status = dnnl_memory_set_data_handle(p->packed, packed))) return (int)status;
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, p->plain}, {DNNL_ARG_TO, p->packed}};
    if ((status = dnnl_primitive_execute(p->reorder, p->stream, 2, arguments))) return (int)status;
    return (int)dnnl_stream_wait(p->stream);
}

int lockstep_product_run(lockstep_product *p, const float *a, const void *packed, float *c, void *scratch) {
    dnnl_status_t status;
    if ((status = dnnl_memory_set_data_handle(p->a, (void *)a))) return (int)status;
    if ((status = dnnl_memory_set_data_handle(p->packed, (void *)packed))) return (int)status;
    if ((status = dnnl_memory_set_data_handle(p->c, c))) return (int)status;
    if ((status = dnnl_memory_set_data_handle(p->scratch, scratch))) return (int)status;
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, p->a},
                                         {DNNL_ARG_WEIGHTS, p->packed},
                                         {DNNL_ARG_DST, p->c},
                                         {DNNL_ARG_SCRATCHPAD, p->scratch}};
    if ((status = dnnl_primitive_execute(p->matmul, p->stream, 4, arguments))) return (int)status;
    return (int)dnnl_stream_wait(p->stream);
}

extern void omp_set_num_threads(int threads) __attribute__((weak));

void lockstep_set_threads(int threads) {
    if (omp_set_num_threads) omp_set_num_threads(threads);
}

void lockstep_flush_denormals(void) {
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040);
#elif defined(__aarch64__)
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    __asm__ volatile("msr fpcr, %0" ::"r"(control | (1ull << 24)));
#endif
}
