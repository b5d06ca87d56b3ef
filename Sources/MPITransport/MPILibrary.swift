import CMPIShim

/// The MPI library that this program is linked with.
package enum MPILibrary {
    #if MPICH
        package static let name = "MPICH"
        /// Its launcher, and what Slurm calls the protocol that it speaks.
        package static let launcher = "mpiexec"
        static let slurm = "pmi2"
        /// A launcher's words for any number of ranks, more than there are cores if need be.
        package static let anyRanks = "mpiexec.hydra -n {ranks}"
    #else
        package static let name = "Open MPI"
        /// Its launcher, and what Slurm calls the protocol that it speaks.
        package static let launcher = "mpirun"
        static let slurm = "pmix"
        /// A launcher's words for any number of ranks, more than there are cores if need be.
        package static let anyRanks = "mpirun --oversubscribe -n {ranks}"
    #endif

    /// What it says of itself, in one line: "Open MPI v4.1.4, package: ...", "MPICH Version: 4.0.2". May be asked before MPI
    /// is up (MPI 4.0, section 9.1.1).
    package static var version: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(MPI_MAX_LIBRARY_VERSION_STRING) + 1) { buffer in
            buffer.initialize(repeating: 0)
            var length: CInt = 0
            guard MPI_Get_library_version(buffer.baseAddress!, &length) == MPI_SUCCESS else { return "unknown" }
            // MPICH adds how it was built, line by line.
            let line = String(cString: buffer.baseAddress!).split(whereSeparator: \.isNewline).first ?? "unknown"
            return line.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }
    }
}
