// Preloaded into lockstep (LD_PRELOAD), this makes the n-th file operation below a folder go wrong. For launch/test-faults.
//   FAULT_FOLDER  operations on paths that contain this, and on descriptors opened there, are counted
//   FAULT_AT      the operation that goes wrong, from 1; 0 or more than there are: none
//   FAULT_KIND    kill: SIGKILL just before it; after: just after it; full: it fails with ENOSPC; error: with EIO
//   FAULT_ONLY    count this operation alone: write, fsync, close ...
//   FAULT_LOG     at exit, and at the fault, the number of operations so far goes to this file
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char counted[4096]; // by descriptor
static int operations;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void note(const char *what) {
    const char *log = getenv("FAULT_LOG");
    FILE *file = log ? REAL(fopen)(log, "w") : NULL;
    if (!file) return;
    fprintf(file, "%d %s\n", operations, what);
    fclose(file);
}

__attribute__((destructor)) static void finish(void) { note("end"); }

static int below(const char *path) {
    const char *folder = getenv("FAULT_FOLDER");
    return folder && path && strstr(path, folder) != NULL;
}

static int is_counted(int descriptor) { return descriptor >= 0 && descriptor < 4096 && counted[descriptor]; }

// Counts; 1 when this operation has to fail, errno set.
static int fails(const char *name) {
    const char *only = getenv("FAULT_ONLY"), *at = getenv("FAULT_AT"), *kind = getenv("FAULT_KIND");
    if (only && *only && strcmp(only, name) != 0) return 0;
    operations++;
    if (!at || operations != atoi(at) || !kind) return 0;
    note(name);
    if (strcmp(kind, "kill") == 0) kill(getpid(), SIGKILL);
    errno = strcmp(kind, "full") == 0 ? ENOSPC : EIO;
    return strcmp(kind, "full") == 0 || strcmp(kind, "error") == 0;
}

static void after(void) {
    const char *at = getenv("FAULT_AT"), *kind = getenv("FAULT_KIND");
    if (at && kind && operations == atoi(at) && strcmp(kind, "after") == 0) kill(getpid(), SIGKILL);
}

#define GUARD(condition, name, call)             \
    do {                                         \
        if (!(condition)) return call;           \
        if (fails(name)) return -1;              \
        __typeof__(call) result = call;          \
        after();                                 \
        return result;                           \
    } while (0)

static int remember(int descriptor, int here) {
    if (descriptor >= 0 && descriptor < 4096) counted[descriptor] = here;
    return descriptor;
}

#define OPEN(name)                                                                 \
    int name(const char *path, int flags, ...) {                                   \
        va_list list;                                                              \
        va_start(list, flags);                                                     \
        mode_t mode = (flags & O_CREAT) ? va_arg(list, mode_t) : 0;                \
        va_end(list);                                                              \
        int here = below(path);                                                    \
        if (here && (flags & O_CREAT) && fails("open")) return -1;                 \
        int result = remember(REAL(name)(path, flags, mode), here);                \
        if (here && (flags & O_CREAT)) after();                                    \
        return result;                                                             \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int descriptor, const void *bytes, size_t count) {
    const char *kind = getenv("FAULT_KIND"), *at = getenv("FAULT_AT");
    // A disk that fills up, and a kill, may leave a part of what was to be written.
    if (is_counted(descriptor) && kind && at && operations + 1 == atoi(at) && count > 1 && strcmp(kind, "error") != 0)
        if (REAL(write)(descriptor, bytes, count / 2) < 0) return -1;
    GUARD(is_counted(descriptor), "write", REAL(write)(descriptor, bytes, count));
}
int fsync(int descriptor) { GUARD(is_counted(descriptor), "fsync", REAL(fsync)(descriptor)); }
int close(int descriptor) {
    int here = is_counted(descriptor);
    if (here) counted[descriptor] = 0;
    if (here && fails("close")) {
        int code = errno;
        REAL(close)(descriptor);
        errno = code;
        return -1;
    }
    int result = REAL(close)(descriptor);
    if (here) after();
    return result;
}
int rename(const char *old, const char *new) { GUARD(below(new), "rename", REAL(rename)(old, new)); }
int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    GUARD(below(new), "rename", REAL(renameat2)(from, old, to, new, flags));
}
int mkdir(const char *path, mode_t mode) { GUARD(below(path), "mkdir", REAL(mkdir)(path, mode)); }
int rmdir(const char *path) { GUARD(below(path), "rmdir", REAL(rmdir)(path)); }
int unlink(const char *path) { GUARD(below(path), "unlink", REAL(unlink)(path)); }
