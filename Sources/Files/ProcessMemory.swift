/// Bytes that this process has in memory, according to the kernel; nil if it does not say.
package struct ProcessMemory: Sendable {
    /// Resident now (`VmRSS`).
    package let resident: Int?
    /// The largest resident size so far (`VmHWM`).
    package let peak: Int?

    package static var now: ProcessMemory {
        let status = String(decoding: (try? File.contents(of: "/proc/self/status", limit: 1 << 16)) ?? [], as: UTF8.self)
        func bytes(_ name: String) -> Int? {
            status.split(separator: "\n").first { $0.hasPrefix("\(name):") }
                .flatMap { Int($0.filter(\.isNumber)) }.map { $0 << 10 }
        }
        return ProcessMemory(resident: bytes("VmRSS"), peak: bytes("VmHWM"))
    }
}
