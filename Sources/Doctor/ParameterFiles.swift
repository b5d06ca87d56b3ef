import Files
import Platform

/// Open MPI's parameters ("MCA"): from the environment, which includes mpirun's `--mca`, else from the user's file, else
/// from the installation's.
enum ParameterFiles {
    static let names = [
        "pml", "btl", "osc", "mtl", "btl_vader_single_copy_mechanism", "btl_tcp_if_include", "btl_tcp_if_exclude",
        "oob_tcp_if_include", "oob_tcp_if_exclude", "mpi_yield_when_idle", "odls_base_sigkill_timeout",
        "osc_sm_backing_directory", "hwloc_base_binding_policy", "rmaps_base_oversubscribe", "coll",
    ]

    /// - Parameter launcher: the path of mpirun, which determines the installation.
    static func settings(_ machine: Machine, launcher: String?, variable: (String) -> String?) -> [String: String] {
        var settings: [String: String] = [:]
        let installation = launcher.map { "\(Folder.parent(of: Folder.parent(of: $0)))/etc/openmpi-mca-params.conf" }
        let paths = ["/etc/openmpi/openmpi-mca-params.conf", installation, variable("HOME").map { "\($0)/.openmpi/mca-params.conf" }]
        // Later files take precedence.
        for path in paths.compactMap({ $0 }) {
            for line in machine.lines(path) {
                let parts = line.prefix { $0 != "#" }.split(separator: "=", maxSplits: 1).map(\.trimmed)
                if parts.count == 2 { settings[parts[0]] = parts[1] }
            }
        }
        settings = settings.filter { names.contains($0.key) }
        for name in names { if let value = variable("OMPI_MCA_\(name)") { settings[name] = value } }
        return settings
    }
}
