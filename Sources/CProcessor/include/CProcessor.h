// Whether this processor has the instructions that the program is compiled for. Nothing here, nor what it calls, is compiled
// for more than the oldest processor of the architecture.
#ifndef LOCKSTEP_CPROCESSOR_H
#define LOCKSTEP_CPROCESSOR_H

/// The instructions that the program is compiled for and that this processor, or its operating system, lacks, as in
/// "AVX2, FMA": a constant string of this process; empty when nothing is missing.
const char *lockstep_missing_instructions(void);

/// Ends the process with code 64 and a message if instructions are missing. Call it before anything else.
///
/// `doctor` continues, since it reports them among its findings. The linker may have given it a vectorised copy of code that
/// all modules share; an illegal instruction then ends it with the same message.
void lockstep_require_processor(int argc, char *const *argv);

#endif
