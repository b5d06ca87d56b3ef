#include "COneDNNShim.h"

#include <stdlib.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif


// One number of rows: the primitive and the memory descriptions of A and C that go with it.
typedef struct variant {
    int64_t rows;
    dnnl_primitive_t matmul;  // NULL: these rows want another packing
    dnnl_memory_t a, c;
    struct variant *next;
} variant;

struct lockstep_product {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t reorder;
    dnnl_memory_t plain, packed, scratch;
    size_t packed_size, scratch_size;
    int64_t k, n, lda, ldc;
    int accumulate;
    variant *variants;  // the first is the last made; the original m is the last
};

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t description;
typedef const_dnnl_memory_desc_t packed_description;
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
typedef const dnnl_memory_desc_t *packed_description;
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

// The matmul of `rows` rows with weights in whatever layout oneDNN likes best. Made here, destroyed by the caller.
static dnnl_status_t describe_matmul(const lockstep_product *p, int64_t rows, dnnl_primitive_desc_t *matmul) {
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t operations = NULL;
    description a = EMPTY_DESCRIPTION, any = EMPTY_DESCRIPTION, c = EMPTY_DESCRIPTION;
    dnnl_status_t status = dnnl_primitive_attr_create(&attributes);
    if (!status) status = dnnl_post_ops_create(&operations);
    if (!status) status = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    if (!status && p->accumulate) status = POST_SUM(operations);
    if (!status && p->accumulate) status = dnnl_primitive_attr_set_post_ops(attributes, operations);
    if (!status) status = describe(&a, rows, p->k, p->lda, 1);
    if (!status) status = describe_any(&any, p->k, p->n);
    if (!status) status = describe(&c, rows, p->n, p->ldc, 1);
#if DNNL_VERSION_MAJOR >= 3
    if (!status) status = dnnl_matmul_primitive_desc_create(matmul, p->engine, a, any, NULL, c, attributes);
#else
    dnnl_matmul_desc_t operation;
    if (!status) status = dnnl_matmul_desc_init(&operation, &a, &any, NULL, &c);
    if (!status) status = dnnl_primitive_desc_create(matmul, &operation, attributes, p->engine, NULL);
#endif
    forget(&a), forget(&any), forget(&c);
    if (operations) dnnl_post_ops_destroy(operations);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    return status;
}

static dnnl_status_t add_variant(lockstep_product *p, int64_t rows, dnnl_primitive_desc_t matmul, int usable) {
    description a = EMPTY_DESCRIPTION, c = EMPTY_DESCRIPTION;
    variant *v = calloc(1, sizeof *v);
    if (!v) return dnnl_out_of_memory;
    v->rows = rows;
    v->next = p->variants;
    p->variants = v;
    if (!usable) return dnnl_success;
    dnnl_status_t status = describe(&a, rows, p->k, p->lda, 1);
    if (!status) status = describe(&c, rows, p->n, p->ldc, 1);
    if (!status) status = dnnl_memory_create(&v->a, CONST_DESCRIPTION(a), p->engine, DNNL_MEMORY_NONE);
    if (!status) status = dnnl_memory_create(&v->c, CONST_DESCRIPTION(c), p->engine, DNNL_MEMORY_NONE);
    if (!status) status = dnnl_primitive_create(&v->matmul, matmul);
    forget(&a), forget(&c);
    return status;
}

// The first variant decides how the weights are packed.
static dnnl_status_t build(lockstep_product *p, int64_t m, int transposed) {
    dnnl_primitive_desc_t matmul = NULL, reorder = NULL;
    description w = EMPTY_DESCRIPTION;
    dnnl_status_t status = dnnl_engine_create(&p->engine, dnnl_cpu, 0);
    if (!status) status = dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags);
    if (!status) status = describe(&w, p->k, p->n, transposed ? 1 : p->n, transposed ? p->k : 1);
    if (!status) status = describe_matmul(p, m, &matmul);
    if (!status) status = add_variant(p, m, matmul, 1);
    if (!status) {
        packed_description chosen = dnnl_primitive_desc_query_md(matmul, dnnl_query_weights_md, 0);
        packed_description scratch = dnnl_primitive_desc_query_md(matmul, dnnl_query_scratchpad_md, 0);
        p->packed_size = dnnl_memory_desc_get_size(chosen);
        p->scratch_size = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
        status = dnnl_reorder_primitive_desc_create(&reorder, CONST_DESCRIPTION(w), p->engine, chosen, p->engine, NULL);
        if (!status) status = dnnl_primitive_create(&p->reorder, reorder);
        if (!status) status = dnnl_memory_create(&p->plain, CONST_DESCRIPTION(w), p->engine, DNNL_MEMORY_NONE);
        if (!status) status = dnnl_memory_create(&p->packed, chosen, p->engine, DNNL_MEMORY_NONE);
        if (!status) status = dnnl_memory_create(&p->scratch, scratch, p->engine, DNNL_MEMORY_NONE);
    }
    forget(&w);
    if (matmul) dnnl_primitive_desc_destroy(matmul);
    if (reorder) dnnl_primitive_desc_destroy(reorder);
    return status;
}

int lockstep_product_create(lockstep_product **product, int64_t m, int64_t k, int64_t n, int64_t lda, int64_t ldc,
                            int transposed, int accumulate) {
    *product = NULL;
    lockstep_product *p = calloc(1, sizeof *p);
    if (!p) return dnnl_out_of_memory;
    p->k = k, p->n = n, p->lda = lda, p->ldc = ldc, p->accumulate = accumulate;
    dnnl_status_t status = build(p, m, transposed);
    if (status) {
        lockstep_product_destroy(p);
        return (int)status;
    }
    *product = p;
    return 0;
}

void lockstep_product_destroy(lockstep_product *p) {
    if (!p) return;
    for (variant *v = p->variants, *next; v; v = next) {
        next = v->next;
        if (v->matmul) dnnl_primitive_destroy(v->matmul);
        if (v->a) dnnl_memory_destroy(v->a);
        if (v->c) dnnl_memory_destroy(v->c);
        free(v);
    }
    dnnl_memory_t memories[] = {p->plain, p->packed, p->scratch};
    for (size_t i = 0; i < sizeof memories / sizeof *memories; i++)
        if (memories[i]) dnnl_memory_destroy(memories[i]);
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

static variant *find(const lockstep_product *p, int64_t rows) {
    variant *v = p->variants;
    while (v && v->rows != rows) v = v->next;
    return v;
}

// Usable when its weights are packed as the first variant's are and its scratch memory suffices.
static dnnl_status_t prepare(lockstep_product *p, int64_t rows) {
    dnnl_primitive_desc_t matmul = NULL;
    const_dnnl_primitive_desc_t original = NULL;
    variant *v = p->variants;
    while (v->next) v = v->next;
    dnnl_status_t status = describe_matmul(p, rows, &matmul);
    if (!status) status = dnnl_primitive_get_primitive_desc(v->matmul, &original);
    if (!status) {
        packed_description scratch = dnnl_primitive_desc_query_md(matmul, dnnl_query_scratchpad_md, 0);
        int usable = dnnl_memory_desc_equal(dnnl_primitive_desc_query_md(matmul, dnnl_query_weights_md, 0),
                                            dnnl_primitive_desc_query_md(original, dnnl_query_weights_md, 0)) &&
                     (scratch ? dnnl_memory_desc_get_size(scratch) : 0) <= p->scratch_size;
        status = add_variant(p, rows, matmul, usable);
    }
    if (matmul) dnnl_primitive_desc_destroy(matmul);
    return status;
}

int lockstep_product_run(lockstep_product *p, int64_t rows, const float *a, const void *packed, float *c, void *scratch) {
    dnnl_status_t status;
    if (!find(p, rows) && (status = prepare(p, rows))) return (int)status;
    const variant *v = find(p, rows);
    if (!v->matmul) return LOCKSTEP_OTHER_PACKING;
    if ((status = dnnl_memory_set_data_handle(v->a, (void *)a))) return (int)status;
    if ((status = dnnl_memory_set_data_handle(p->packed, (void *)packed))) return (int)status;
    if ((status = dnnl_memory_set_data_handle(v->c, c))) return (int)status;
    if ((status = dnnl_memory_set_data_handle(p->scratch, scratch))) return (int)status;
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, v->a},
                                         {DNNL_ARG_WEIGHTS, p->packed},
                                         {DNNL_ARG_DST, v->c},
                                         {DNNL_ARG_SCRATCHPAD, p->scratch}};
    if ((status = dnnl_primitive_execute(v->matmul, p->stream, 4, arguments))) return (int)status;
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
