import CMPIShim
import Diagnostics

/// An MPI failure, with MPI's own error text.
package enum MPIError: DiagnosedError, Equatable {
    /// A call returned something other than `MPI_SUCCESS`.
    /// `code` is the implementation's, `errorClass` the standard's (MPI 4.0, section 9.4).
    case call(name: String, code: CInt, errorClass: CInt, text: String, rank: Int, host: String)
    /// The launcher started `launched` processes, but each finds itself in a group of `joined`: the launcher and the
    /// library that this program is linked with belong to different installations.
    case foreignLauncher(launched: Int, joined: Int)

    package var kind: FailureKind {
        switch self {
        case .call: .inputOutput
        case .foreignLauncher: .usage
        }
    }

    package var diagnosis: Diagnosis {
        switch self {
        case .call(let name, let code, let errorClass, let text, let rank, let host):
            Diagnosis(
                "\(name) failed with code \(code), class \(errorClass): \(text)",
                location: "rank \(rank), host \(host)",
                remedy: "look for the rank that failed first; its message names the cause")
        case .foreignLauncher(let launched, let joined):
            Diagnosis(
                "the launcher belongs to another MPI than this program",
                expected: "\(launched) ranks, as launched", found: "\(joined)",
                remedy: "use the \(MPILibrary.launcher) of the \(MPILibrary.name) that lockstep was built with, or srun --mpi=\(MPILibrary.slurm)")
        }
    }
}

/// Every MPI call goes through here.
/// - Throws: `MPIError.call`.
func check(_ code: CInt, _ name: StaticString) throws {
    guard code != MPI_SUCCESS else { return }
    var errorClass: CInt = 0
    MPI_Error_class(code, &errorClass)
    var rank: CInt = -1
    MPI_Comm_rank(lockstep_MPI_COMM_WORLD(), &rank)
    throw MPIError.call(
        name: "\(name)", code: code, errorClass: errorClass,
        text: text(capacity: Int(MPI_MAX_ERROR_STRING)) { MPI_Error_string(code, $0, $1) },
        rank: Int(rank),
        host: text(capacity: Int(MPI_MAX_PROCESSOR_NAME)) { MPI_Get_processor_name($0, $1) })
}

/// A string that MPI writes into a buffer of a size it prescribes.
private func text(
    capacity: Int, _ write: (UnsafeMutablePointer<CChar>, UnsafeMutablePointer<CInt>) -> CInt
) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity + 1) { buffer in
        buffer.initialize(repeating: 0)
        var length: CInt = 0
        guard write(buffer.baseAddress!, &length) == MPI_SUCCESS else { return "unknown" }
        return String(cString: buffer.baseAddress!)
    }
}
