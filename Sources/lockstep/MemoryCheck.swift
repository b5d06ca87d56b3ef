import Diagnostics
import Platform
import Reporting

extension UsageError {
    /// Refuses what does not fit the machine, before it is allocated.
    /// - Parameters:
    ///   - needed: bytes; nil where the number overflows.
    ///   - found: what follows the number.
    /// - Throws: `UsageError`.
    static func unlessMemory(for what: String, _ needed: Int?, found: String = "", location: String, remedy: String) throws {
        let machine = Machine.this.memory.usable
        if let needed, machine == 0 || needed <= machine { return }
        throw UsageError(
            "\(what) needs more memory than this machine has", location: location, expected: "at most \(Formatting.bytes(machine))",
            found: needed.map { Formatting.bytes($0) + found }, remedy: remedy)
    }
}
