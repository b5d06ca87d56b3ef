// Preloaded into lockstep (LD_PRELOAD), this makes the n-th file operation below a folder go wrong. For launch/test-faults.
//   FAULT_FOLDER  operations on paths that contain this, and on descriptors opened there, are counted
//   FAULT_AT      the operation that goes wrong, from 1; 0 or more than there are: none
//   FAULT_KIND    kill: SIGKILL just before it; after: just after it; full: it fails with ENOSPC; error: with EIO
//   FAULT_ONLY    count this operation alone: write, fsync, close ...
//   FAULT_LOG     at exit, and at the fault, this file gets: operations so far, what happened, and how many names were
//                 given to what was not durable yet, or are not durable at the end
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

// Durability. A name holds after a power cut once its folder was fsynced, a file's data once the file was.
static char dirty[4096];     // by descriptor: written to and not fsynced since
static char *folders[4096];  // by descriptor: path of an open folder
static int lost;             // files closed dirty
static int early;            // names given to what was not durable yet
static struct { char path[512]; int names; } pending[64]; // names in a folder since its last fsync

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void note(const char *what) {
    const char *log = getenv("FAULT_LOG");
    FILE *file = log ? REAL(fopen)(log, "w") : NULL;
    if (!file) return;
    int names = early;
    for (int i = 0; i < 64; i++) names += pending[i].names;
    fprintf(file, "%d %s %d\n", operations, what, names);
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

// The number of pending names in a folder.
static int *names_in(const char *folder, size_t length) {
    int i = 0;
    while (i < 63 && pending[i].path[0] && (strncmp(pending[i].path, folder, length) != 0 || pending[i].path[length])) i++;
    if (!pending[i].path[0]) snprintf(pending[i].path, sizeof pending[i].path, "%.*s", (int)length, folder);
    return &pending[i].names;
}

// The last part of a path; NULL for temporary names, which need not last.
static const char *lasting(const char *path) {
    const char *slash = strrchr(path, '/');
    return !slash || strstr(slash, ".tmp-") ? NULL : slash;
}

// A file or folder gets its name; `old` is the one it had, which must be durable with all that came before.
static void named(const char *path, const char *old) {
    const char *slash = lasting(path);
    if (!slash) return;
    int *names = names_in(path, (size_t)(slash - path));
    if (old && (lost || *names || *names_in(old, strlen(old)))) early++;
    ++*names;
}

static int remember(int descriptor, const char *path, int flags) {
    if (descriptor < 0 || descriptor >= 4096) return descriptor;
    counted[descriptor] = below(path);
    folders[descriptor] = flags & O_DIRECTORY ? strdup(path) : NULL;
    if (counted[descriptor] && (flags & O_CREAT)) named(path, NULL);
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
        int result = remember(REAL(name)(path, flags, mode), path, flags);         \
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
    if (is_counted(descriptor)) dirty[descriptor] = 1;
    GUARD(is_counted(descriptor), "write", REAL(write)(descriptor, bytes, count));
}
int fsync(int descriptor) {
    if (descriptor >= 0 && descriptor < 4096) {
        dirty[descriptor] = 0;
        if (folders[descriptor]) *names_in(folders[descriptor], strlen(folders[descriptor])) = 0;
    }
    GUARD(is_counted(descriptor), "fsync", REAL(fsync)(descriptor));
}
int close(int descriptor) {
    int here = is_counted(descriptor);
    if (descriptor >= 0 && descriptor < 4096) {
        lost += dirty[descriptor];
        counted[descriptor] = dirty[descriptor] = 0;
        folders[descriptor] = NULL;
    }
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
int rename(const char *old, const char *new) {
    if (below(new)) named(new, old);
    GUARD(below(new), "rename", REAL(rename)(old, new));
}
int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    if (below(new)) named(old, new); // an exchange: the new checkpoint, under its temporary name, gets the old one's
    GUARD(below(new), "rename", REAL(renameat2)(from, old, to, new, flags));
}
int mkdir(const char *path, mode_t mode) {
    if (below(path)) named(path, NULL);
    GUARD(below(path), "mkdir", REAL(mkdir)(path, mode));
}
int rmdir(const char *path) {
    *names_in(path, strlen(path)) = 0;
    GUARD(below(path), "rmdir", REAL(rmdir)(path));
}
int unlink(const char *path) { GUARD(below(path), "unlink", REAL(unlink)(path)); }
