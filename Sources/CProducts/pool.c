// A small fixed pool of threads: the caller of `lockstep_parallel` does part 0 itself, thread i does part i.
//
// Between jobs the threads spin for a few microseconds, since the next job usually follows at once, and then sleep.
// If the pool is busy with another thread's job, the caller does the job alone.
#include "kernels.h"
#include "pause.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum { most_threads = 256, watches = 1000 };  // a watch is a pause of up to 50 ns

static struct {
    pthread_mutex_t use;       // held while a job is done, and while threads are added
    pthread_mutex_t mutex;     // goes with the conditions
    pthread_cond_t begun, ended;
    struct member {
        long part, seen;
    } members[most_threads];
    long existing;             // threads, including the caller's
    atomic_long threads;       // of those, how many to use
    lockstep_part *body;
    void *context;
    long parts;
    uint64_t mode;             // the caller's: all threads compute as it does
    atomic_long jobs;          // counts the jobs begun
    atomic_long remaining;     // threads that have not finished with this job
    atomic_bool caller_sleeps;
    atomic_long sleepers;
} pool = {.use = PTHREAD_MUTEX_INITIALIZER, .mutex = PTHREAD_MUTEX_INITIALIZER, .begun = PTHREAD_COND_INITIALIZER,
          .ended = PTHREAD_COND_INITIALIZER, .existing = 1, .threads = 1};

// Until there is another job than number `seen`.
static void wait_for_job(long seen) {
    for (long i = 0; i < watches; i++) {
        if (atomic_load(&pool.jobs) != seen) return;
        PAUSE();
    }
    pthread_mutex_lock(&pool.mutex);
    atomic_fetch_add(&pool.sleepers, 1);
    while (atomic_load(&pool.jobs) == seen) pthread_cond_wait(&pool.begun, &pool.mutex);
    atomic_fetch_sub(&pool.sleepers, 1);
    pthread_mutex_unlock(&pool.mutex);
}

static void wait_for_threads(void) {
    for (long i = 0; i < watches; i++) {
        if (atomic_load(&pool.remaining) == 0) return;
        PAUSE();
    }
    pthread_mutex_lock(&pool.mutex);
    atomic_store(&pool.caller_sleeps, true);
    while (atomic_load(&pool.remaining) > 0) pthread_cond_wait(&pool.ended, &pool.mutex);
    atomic_store(&pool.caller_sleeps, false);
    pthread_mutex_unlock(&pool.mutex);
}

static void *work(void *argument) {
    const struct member *own = argument;
    for (long seen = own->seen;; seen++) {
        wait_for_job(seen);
        if (own->part < pool.parts) {
            set_floating_point_mode(pool.mode);
            pool.body(pool.context, own->part, pool.parts);
        }
        if (atomic_fetch_sub(&pool.remaining, 1) == 1 && atomic_load(&pool.caller_sleeps)) {
            pthread_mutex_lock(&pool.mutex);
            pthread_cond_signal(&pool.ended);
            pthread_mutex_unlock(&pool.mutex);
        }
    }
    return NULL;
}

// Adds thread `part`, which blocks signals: they are for the threads that expect them.
static bool add_thread(long part) {
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pool.members[part] = (struct member){part, atomic_load(&pool.jobs)};
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool added = pthread_create(&thread, NULL, work, &pool.members[part]) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (added) pthread_detach(thread);
    return added;
}

long lockstep_use_threads(long count) {
    if (count > most_threads) count = most_threads;
    if (count < 1) count = 1;
    pthread_mutex_lock(&pool.use);
    while (pool.existing < count && add_thread(pool.existing)) pool.existing++;
    if (count > pool.existing) count = pool.existing;
    atomic_store(&pool.threads, count);
    pthread_mutex_unlock(&pool.use);
    return count;
}

long lockstep_threads(void) { return atomic_load(&pool.threads); }

void lockstep_parallel(long parts, lockstep_part *body, void *context) {
    if (parts > 1 && pthread_mutex_trylock(&pool.use) == 0) {
        if (parts <= pool.existing) {
            pool.body = body, pool.context = context, pool.parts = parts, pool.mode = floating_point_mode();
            atomic_store(&pool.remaining, pool.existing - 1);
            atomic_fetch_add(&pool.jobs, 1);
            if (atomic_load(&pool.sleepers) > 0) {
                pthread_mutex_lock(&pool.mutex);
                pthread_cond_broadcast(&pool.begun);
                pthread_mutex_unlock(&pool.mutex);
            }
            body(context, 0, parts);
            wait_for_threads();
            pthread_mutex_unlock(&pool.use);
            return;
        }
        pthread_mutex_unlock(&pool.use);
    }
    for (long part = 0; part < parts; part++) body(context, part, parts);
}
