// Preloaded into a program (LD_PRELOAD), this plays a file system that lacks operations. MISSING lists them, each with the
// error number that it fails with, as in "flock=38 fsync-folder=22":
//   flock, fsync, fsync-folder, open-folder, mmap, mmap-shared, append (opening with O_APPEND), ftruncate, exchange
//   (renameat2)
// With HANGS set it also plays one that does not answer: opening FILE waits for as long as there is a FILE.hangs.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

// Whether the operation is missing; errno is then set.
static int lacks(const char *operation) {
    const char *list = getenv("MISSING");
    size_t length = strlen(operation);
    while (list && (list = strstr(list, operation))) {
        if (list[length] == '=') {
            errno = atoi(list + length + 1);
            return 1;
        }
        list += length;
    }
    return 0;
}

static void wait_for_answer(const char *path) {
    char flag[4096];
    if (!getenv("HANGS") || snprintf(flag, sizeof flag, "%s.hangs", path) >= (int)sizeof flag) return;
    while (access(flag, F_OK) == 0) usleep(10000);
}

static int is_folder(int descriptor) {
    struct stat info;
    return fstat(descriptor, &info) == 0 && S_ISDIR(info.st_mode);
}

int flock(int descriptor, int operation) { return lacks("flock") ? -1 : REAL(flock)(descriptor, operation); }
int fsync(int descriptor) { return lacks(is_folder(descriptor) ? "fsync-folder" : "fsync") ? -1 : REAL(fsync)(descriptor); }
int ftruncate(int descriptor, off_t size) { return lacks("ftruncate") ? -1 : REAL(ftruncate)(descriptor, size); }
int ftruncate64(int descriptor, off64_t size) { return lacks("ftruncate") ? -1 : REAL(ftruncate64)(descriptor, size); }
int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    return lacks("exchange") ? -1 : REAL(renameat2)(from, old, to, new, flags);
}

#define MAP(name, offset_type)                                                                             \
    void *name(void *start, size_t size, int protection, int flags, int descriptor, offset_type offset) {  \
        int isFile = !(flags & MAP_ANONYMOUS);                                                             \
        if (isFile && (lacks("mmap") || ((flags & MAP_SHARED) && lacks("mmap-shared")))) return MAP_FAILED; \
        return REAL(name)(start, size, protection, flags, descriptor, offset);                             \
    }
MAP(mmap, off_t)
MAP(mmap64, off64_t)

#define OPEN(name)                                                                     \
    int name(const char *path, int flags, ...) {                                       \
        va_list list;                                                                  \
        va_start(list, flags);                                                         \
        mode_t mode = (flags & O_CREAT) ? va_arg(list, mode_t) : 0;                    \
        va_end(list);                                                                  \
        wait_for_answer(path);                                                         \
        if ((flags & O_APPEND) && lacks("append")) return -1;                          \
        if ((flags & O_DIRECTORY) == O_DIRECTORY && lacks("open-folder")) return -1;   \
        return REAL(name)(path, flags, mode);                                          \
    }
OPEN(open)
OPEN(open64)
