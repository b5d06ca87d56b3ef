// A dissemination barrier (Hensgen, Finkel and Manber 1988): in round k, rank r tells rank r + 2^k that it is there, and waits for
// rank r - 2^k. After the rounds k = 0 ... log2(size) everybody knows of everybody, and no word is written by two ranks.
//
// A rank that waits first spins, since the others are usually there within a microsecond; then it sleeps until it is woken. It never
// yields: on a processor that other programs want too, sched_yield gives a whole time slice away, while a thread that was asleep gets
// the processor back as soon as it is woken. (Two ranks beside four busy programs: 4.5 ms a meeting, and 9 to 11 with yields between
// spinning and sleeping.)
#define _GNU_SOURCE
#include "include/barrier.h"

#include "pause.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { spins = 2000, line = 64 };  // a spin is a pause of up to 50 ns

// What one rank says to another in one round. A cache line of its own.
typedef struct word {
    _Alignas(line) atomic_uint number;  // of the last use of the barrier in which it was said
    atomic_uint sleeps;                 // whether the one that waits for it sleeps
} word;

// The first word says whether a member has left. Then come the words that each rank waits for, one for each round.
static long rounds_of(long size) {
    long rounds = 0;
    while ((1L << rounds) < size) rounds++;
    return rounds;
}

size_t lockstep_barrier_bytes(long size) { return (size_t)(1 + size * rounds_of(size)) * sizeof(word); }

static void futex(word *w, int operation, unsigned value, const struct timespec *most) {
    syscall(SYS_futex, &w->number, operation, value, most, NULL, 0);
}

static void say(word *w, uint32_t number) {
    atomic_store(&w->number, number);
    if (atomic_load(&w->sleeps)) futex(w, FUTEX_WAKE, 1, NULL);
}

// Numbers wrap around.
static bool is_said(word *w, uint32_t number) { return (int32_t)(atomic_load(&w->number) - number) >= 0; }

static bool await(word *w, word *left, uint32_t number, lockstep_waiting *waiting, void *context) {
    for (long i = 0; i < spins; i++) {
        if (is_said(w, number)) return true;
        PAUSE();
    }
    if (waiting) waiting(context, true);
    bool said;
    atomic_store(&w->sleeps, 1);
    while (!(said = is_said(w, number)) && !atomic_load(&left->number)) {
        const unsigned old = atomic_load(&w->number);
        // A member that leaves wakes nobody, so that it needs to write one word only.
        if ((int32_t)(old - number) < 0) futex(w, FUTEX_WAIT, old, &(struct timespec){.tv_nsec = 50000000});
    }
    atomic_store(&w->sleeps, 0);
    if (waiting) waiting(context, false);
    return said;
}

bool lockstep_barrier(void *barrier, long rank, long size, uint32_t number, lockstep_waiting *waiting, void *context) {
    word *left = barrier, *words = left + 1;
    const long rounds = rounds_of(size);
    for (long round = 0; round < rounds; round++) {
        say(words + ((rank + (1L << round)) % size) * rounds + round, number);
        if (!await(words + rank * rounds + round, left, number, waiting, context)) return false;
    }
    return true;
}

void lockstep_leave_barrier(void *barrier) { atomic_store(&((word *)barrier)->number, 1); }
