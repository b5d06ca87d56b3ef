// One rank of the MPI tests; EndToEndTests starts it under mpirun.
//   mpi-conformance check [LARGEST_MESSAGE]   the suite that every transport passes
//   mpi-conformance fail RANK                 that rank fails in `together`: all exit 65
//   mpi-conformance abort RANK                that rank aborts with 70 while the others wait for it
//   mpi-conformance exit RANK                 that rank exits 0 without finalizing while the others wait for it
import Collectives
import Diagnostics
import Glibc
import MPITransport
import TestSupport

struct Missing: DiagnosedError {
    let kind = FailureKind.data
    let diagnosis = Diagnosis("no such file", file: "d/x")
}

let arguments = CommandLine.arguments
let number = arguments.count > 2 ? Int(arguments[2])! : 8 << 20

do {
    let session = try arguments[1] == "check" ? MPISession(largestMessage: number) : MPISession()
    let communicator = session.communicator
    switch arguments[1] {
    case "check":
        do {
            // Small messages would make too many pieces of the largest length.
            try checkConformance(of: communicator, lengths: [0, 1, 10, 1000] + (number < 1000 ? [] : [100_003]))
        } catch {
            print("\(error)")
            fflush(nil)
            communicator.abort(FailureKind.internal.rawValue)
        }
        if communicator.rank == 0 { print("\(communicator.size) ranks conform") }
    case "fail":
        do {
            try communicator.together("opening") { if communicator.rank == number { throw Missing() } }
        } catch let failure as CollectiveFailure {
            if communicator.rank == 0 { print(failure) }
            try session.finalize()
            exit(failure.kind.rawValue)
        }
    case "abort":
        if communicator.rank == number { communicator.abort(FailureKind.internal.rawValue) }
        try communicator.barrier()
    case "exit":
        if communicator.rank == number { exit(0) }
        try communicator.barrier()
    default: exit(FailureKind.usage.rawValue)
    }
    try session.finalize()
} catch {
    print("\(error)")
    exit((error as? any DiagnosedError)?.kind.rawValue ?? FailureKind.internal.rawValue)
}
