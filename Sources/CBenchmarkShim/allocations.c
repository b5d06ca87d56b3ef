// Counting heap allocations without slowing down a program that does not count: for the time of the count, the entries
// for malloc and its relatives in the global offset table of every loaded object point to functions that count and pass
// on. (An object's calls into another one go through its table, System V ABI; glibc's own calls of malloc do, too.)
#define _GNU_SOURCE
#include "CBenchmarkShim.h"

#if defined(__linux__) && defined(__GLIBC__) && (defined(__x86_64__) || defined(__aarch64__))
#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#define IS_TABLE_ENTRY(type) ((type) == R_X86_64_JUMP_SLOT || (type) == R_X86_64_GLOB_DAT)
#else
#define IS_TABLE_ENTRY(type) ((type) == R_AARCH64_JUMP_SLOT || (type) == R_AARCH64_GLOB_DAT)
#endif

static __thread bool counting;
static __thread lockstep_allocations counted;

// The address ranges of the program itself and of Swift's libraries.
static struct {
    uintptr_t start, end;
} own[64];
static int number_of_own;

// `caller`: an address in the function that asks for memory.
static void count(size_t size, const void *caller) {
    if (!counting) return;
    counted.count++;
    counted.bytes += size;
    for (int i = 0; i < number_of_own; i++)
        counted.own += (uintptr_t)caller >= own[i].start && (uintptr_t)caller < own[i].end;
}
#define COUNT(size) count(size, __builtin_return_address(0))

// Initialised when the program is loaded, before any table is changed.
static void *(*volatile true_malloc)(size_t) = malloc;
static void *(*volatile true_calloc)(size_t, size_t) = calloc;
static void *(*volatile true_realloc)(void *, size_t) = realloc;
static int (*volatile true_posix_memalign)(void **, size_t, size_t) = posix_memalign;
static void *(*volatile true_aligned_alloc)(size_t, size_t) = aligned_alloc;
static void *(*volatile true_memalign)(size_t, size_t) = memalign;

static void *counting_malloc(size_t size) {
    COUNT(size);
    return true_malloc(size);
}
static void *counting_calloc(size_t number, size_t size) {
    COUNT(number * size);
    return true_calloc(number, size);
}
static void *counting_realloc(void *old, size_t size) {
    COUNT(size);
    return true_realloc(old, size);
}
static int counting_posix_memalign(void **memory, size_t alignment, size_t size) {
    COUNT(size);
    return true_posix_memalign(memory, alignment, size);
}
static void *counting_aligned_alloc(size_t alignment, size_t size) {
    COUNT(size);
    return true_aligned_alloc(alignment, size);
}
static void *counting_memalign(size_t alignment, size_t size) {
    COUNT(size);
    return true_memalign(alignment, size);
}

static const struct {
    const char *name;
    void *replacement;
} functions[] = {
    {"malloc", counting_malloc},
    {"calloc", counting_calloc},
    {"realloc", counting_realloc},
    {"posix_memalign", counting_posix_memalign},
    {"aligned_alloc", counting_aligned_alloc},
    {"memalign", counting_memalign},
};

// The changed entries, which are restored later.
static struct {
    void **entry;
    void *value;
    bool read_only;
} changes[16384];
static int number_of_changes;
static bool too_many;

// Parts of a table that the loader has made read-only (RELRO) are made writable during the change.
static bool store(void **entry, void *value, bool read_only) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    void *start = (void *)((uintptr_t)entry & ~(page - 1));
    if (read_only && mprotect(start, page, PROT_READ | PROT_WRITE)) return false;
    *entry = value;
    if (read_only) mprotect(start, page, PROT_READ);
    return true;
}

typedef struct {
    ElfW(Addr) base;
    const ElfW(Sym) *symbols;
    const char *strings;
    ElfW(Addr) relro_start, relro_end;
} object;

static void change(const object *o, const ElfW(Rela) *relocations, size_t bytes) {
    for (size_t i = 0; i < bytes / sizeof *relocations; i++) {
        const ElfW(Rela) *r = &relocations[i];
        if (!IS_TABLE_ENTRY(ELF64_R_TYPE(r->r_info))) continue;
        const char *name = o->strings + o->symbols[ELF64_R_SYM(r->r_info)].st_name;
        for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
            if (strcmp(name, functions[f].name)) continue;
            void **entry = (void **)(o->base + r->r_offset);
            bool read_only = (ElfW(Addr))entry >= o->relro_start && (ElfW(Addr))entry < o->relro_end;
            if (number_of_changes == sizeof changes / sizeof *changes) {
                too_many = true;
                return;
            }
            void *old = *entry;
            if (!store(entry, functions[f].replacement, read_only)) continue;
            changes[number_of_changes].entry = entry;
            changes[number_of_changes].value = old;
            changes[number_of_changes++].read_only = read_only;
        }
    }
}

static int visit(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)size, (void)unused;
    object o = {.base = info->dlpi_addr};
    const ElfW(Dyn) *dynamic = NULL;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_DYNAMIC) dynamic = (const ElfW(Dyn) *)(o.base + header->p_vaddr);
        if (header->p_type == PT_GNU_RELRO) {
            o.relro_start = o.base + header->p_vaddr;
            o.relro_end = o.relro_start + header->p_memsz;
        }
        // The program is the object without a name.
        bool is_own = !*info->dlpi_name || strstr(info->dlpi_name, "libswift") || strstr(info->dlpi_name, "libFoundation");
        if (header->p_type == PT_LOAD && is_own && number_of_own < (int)(sizeof own / sizeof *own)) {
            own[number_of_own].start = o.base + header->p_vaddr;
            own[number_of_own++].end = o.base + header->p_vaddr + header->p_memsz;
        }
    }
    // The kernel's own object (vdso) has tables of offsets where others have addresses, and calls nobody.
    if (!dynamic || strstr(info->dlpi_name, "linux-vdso")) return 0;
    ElfW(Addr) calls = 0, data = 0;
    size_t calls_size = 0, data_size = 0;
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        switch (dynamic->d_tag) {
        case DT_SYMTAB: o.symbols = (const ElfW(Sym) *)dynamic->d_un.d_ptr; break;
        case DT_STRTAB: o.strings = (const char *)dynamic->d_un.d_ptr; break;
        case DT_JMPREL: calls = dynamic->d_un.d_ptr; break;
        case DT_PLTRELSZ: calls_size = dynamic->d_un.d_val; break;
        case DT_RELA: data = dynamic->d_un.d_ptr; break;
        case DT_RELASZ: data_size = dynamic->d_un.d_val; break;
        }
    }
    if (!o.symbols || !o.strings) return 0;
    if (calls) change(&o, (const ElfW(Rela) *)calls, calls_size);
    if (data) change(&o, (const ElfW(Rela) *)data, data_size);
    return 0;
}

static void restore(void) {
    for (int i = 0; i < number_of_changes; i++) store(changes[i].entry, changes[i].value, changes[i].read_only);
    number_of_changes = 0;
}

bool lockstep_count_begin(void) {
    if (number_of_changes) return false;
    too_many = false;
    number_of_own = 0;
    dl_iterate_phdr(visit, NULL);
    if (too_many) {
        restore();
        return false;
    }
    if (!number_of_changes) return false;
    counted = (lockstep_allocations){0};
    counting = true;
    return true;
}

lockstep_allocations lockstep_count_end(void) {
    counting = false;
    restore();
    return counted;
}

#else
bool lockstep_count_begin(void) { return false; }
lockstep_allocations lockstep_count_end(void) { return (lockstep_allocations){0}; }
#endif
