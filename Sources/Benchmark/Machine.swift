import Files
import Glibc

/// What the kernel says of this machine and this process.
public enum Machine {
    /// The processor's name; that of its architecture where there is none.
    public static var processor: String {
        for line in lines(of: "/proc/cpuinfo") where line.hasPrefix("model name") {
            if let colon = line.firstIndex(of: ":") { return String(line[colon...].dropFirst(2)) }
        }
        var names = utsname()
        uname(&names)
        return withUnsafeBytes(of: names.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// Logical processors of the machine.
    public static var cores: Int { Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    /// Bytes of the largest cache that the first core uses; 32 MiB where the kernel does not say.
    public static var lastCache: Int {
        let sizes = (0..<8).compactMap { index -> Int? in
            guard let text = lines(of: "/sys/devices/system/cpu/cpu0/cache/index\(index)/size").first else { return nil }
            return Int(text.prefix { $0.isNumber }).map { $0 << (text.hasSuffix("M") ? 20 : text.hasSuffix("K") ? 10 : 0) }
        }
        return sizes.max() ?? 32 << 20
    }

    /// Seconds since this process was started, to 0.01; nil where the kernel does not say.
    public static var processAge: Double? {
        // Field 2, the program's name in brackets, may hold anything; field 22 is the start in clock ticks.
        guard let fields = lines(of: "/proc/self/stat").first?.split(separator: ")").last?.split(separator: " "),
            fields.count > 19, let ticks = Double(fields[19])
        else { return nil }
        var now = timespec()
        clock_gettime(CLOCK_BOOTTIME, &now)
        let age = Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9 - ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
        return age >= 0 ? age : nil
    }

    static func lines(of path: String) -> [Substring] {
        let bytes = (try? File.contents(of: path, limit: 1 << 24)) ?? []
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    }
}
