import CMPIShim

/// The MPI library that this program is linked with.
public enum MPILibrary {
    /// What it says of itself: "Open MPI v4.1.4, package: ...". May be asked before MPI is up (MPI 4.0, section 9.1.1).
    public static var version: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(MPI_MAX_LIBRARY_VERSION_STRING) + 1) { buffer in
            buffer.initialize(repeating: 0)
            var length: CInt = 0
            guard MPI_Get_library_version(buffer.baseAddress!, &length) == MPI_SUCCESS else { return "unknown" }
            return String(cString: buffer.baseAddress!)
        }
    }
}
