#include "CProcessor.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)

#include <cpuid.h>

// LOCKSTEP_PROCESSOR_LEVEL is the x of -march=x86-64-vx in Package.swift; the levels are those of the x86-64 psABI.
typedef struct {
    int level;
    const char *name;
    bool present;
} instructions;

const char *lockstep_missing_instructions(void) {
    static char text[256];
    if (text[0]) return text;
    // Of all instructions of the levels, these distinguish processors. __builtin_cpu_supports also asks whether the operating
    // system saves the wide registers.
    __builtin_cpu_init();
    unsigned a, b, c = 0, d;
    __get_cpuid(0x80000001, &a, &b, &c, &d);
    const instructions needed[] = {
        {2, "SSE4.2", __builtin_cpu_supports("sse4.2")},
        {2, "POPCNT", __builtin_cpu_supports("popcnt")},
        {3, "AVX", __builtin_cpu_supports("avx")},
        {3, "AVX2", __builtin_cpu_supports("avx2")},
        {3, "FMA", __builtin_cpu_supports("fma")},
        {3, "BMI", __builtin_cpu_supports("bmi")},
        {3, "BMI2", __builtin_cpu_supports("bmi2")},
        {3, "LZCNT", (c & bit_LZCNT) != 0},
        {4, "AVX-512", __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                           __builtin_cpu_supports("avx512vl")},
    };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (needed[i].level > LOCKSTEP_PROCESSOR_LEVEL || needed[i].present) continue;
        if (text[0]) strcat(text, ", ");
        strcat(text, needed[i].name);
    }
    return text;
}

// "Intel(R) Xeon(R) ...", the processor's name for itself.
static void name_processor(char text[49]) {
    unsigned words[12] = {0};
    for (unsigned i = 0; i < 3; i++)
        __get_cpuid(0x80000002 + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3]);
    memcpy(text, words, 48);
    text[48] = 0;
    if (!text[0]) strcpy(text, "unknown");
}

static char message[800];

static void compose(void) {
    char host[256] = "localhost", name[49];
    gethostname(host, sizeof host - 1);
    name_processor(name);
    snprintf(message, sizeof message,
             "lockstep: host %s: this processor lacks instructions that lockstep is compiled for; expected x86-64-v%d (%s), "
             "found %s without %s; use a processor that has them (Intel since 2013, AMD since 2017), in a virtual machine "
             "let it see the host's (qemu -cpu host), or build lockstep for this one: set `level` in Package.swift to %d\n",
             host, LOCKSTEP_PROCESSOR_LEVEL, LOCKSTEP_PROCESSOR_LEVEL == 4 ? "AVX-512" : "AVX2 and FMA", name,
             lockstep_missing_instructions(), __builtin_cpu_supports("avx2") ? 3 : __builtin_cpu_supports("sse4.2") ? 2 : 1);
}

static void fail(int code) {
    ssize_t ignored = write(STDERR_FILENO, message, strlen(message));
    (void)ignored;
    _exit(code);
}

static void illegal_instruction(int number) {
    (void)number;
    fail(69);
}

void lockstep_require_processor(int argc, char *const *argv) {
    if (!lockstep_missing_instructions()[0]) return;
    compose();
    if (argc < 2 || strcmp(argv[1], "doctor") != 0) fail(64);
    signal(SIGILL, illegal_instruction);
}

#else

const char *lockstep_missing_instructions(void) { return ""; }
void lockstep_require_processor(int argc, char *const *argv) { (void)argc, (void)argv; }

#endif
