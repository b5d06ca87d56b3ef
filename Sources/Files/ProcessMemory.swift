/// What the kernel says this process holds in memory, bytes; nil where it does not say.
public struct ProcessMemory: Sendable {
    /// Resident now (`VmRSS`).
    public let resident: Int?
    /// The most that was resident at once (`VmHWM`).
    public let peak: Int?

    public static var now: ProcessMemory {
        let status = String(decoding: (try? File.contents(of: "/proc/self/status", limit: 1 << 16)) ?? [], as: UTF8.self)
        func bytes(_ name: String) -> Int? {
            status.split(separator: "\n").first { $0.hasPrefix("\(name):") }
                .flatMap { Int($0.filter(\.isNumber)) }.map { $0 << 10 }
        }
        return ProcessMemory(resident: bytes("VmRSS"), peak: bytes("VmHWM"))
    }
}
