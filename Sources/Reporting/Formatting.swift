import Glibc

/// Numbers for people to read, in progress lines and reports.
package enum Formatting {
    /// `12s`, `4m10s`, `3h05m`, `2d03h`: the two largest units. `?` if it is not a time.
    package static func duration(seconds: Double) -> String {
        guard seconds >= 0, let total = Int(exactly: seconds.rounded()) else { return "?" }
        let (minutes, hours, days) = (total / 60, total / 3600, total / 86400)
        if days > 0 { return "\(days)d\(twoDigits(hours % 24))h" }
        if hours > 0 { return "\(hours)h\(twoDigits(minutes % 60))m" }
        if minutes > 0 { return "\(minutes)m\(twoDigits(total % 60))s" }
        return "\(total)s"
    }

    /// `512 B`, `1.5 KiB`, `20.0 MiB`, `3.2 GiB`.
    package static func bytes(_ count: Int) -> String {
        var size = Double(count)
        for unit in ["B", "KiB", "MiB"] {
            if abs(size) < 1024 { return (unit == "B" ? "\(count)" : fixed(size, decimals: 1)) + " \(unit)" }
            size /= 1024
        }
        return fixed(size, decimals: 1) + " GiB"
    }

    /// `2,088,628`.
    package static func count(_ number: Int) -> String {
        var digits = String(number.magnitude)
        var groups: [Substring] = []
        while digits.count > 3 {
            groups.insert(digits.suffix(3), at: 0)
            digits.removeLast(3)
        }
        return (number < 0 ? "-" : "") + ([digits[...]] + groups).joined(separator: ",")
    }

    /// Three or four digits with a unit: `950`, `11.2k`, `1.2M`.
    package static func rate(_ perSecond: Double) -> String {
        switch perSecond {
        case ..<1000: fixed(perSecond, decimals: perSecond < 10 ? 1 : 0)
        case ..<1e6: fixed(perSecond / 1e3, decimals: 1) + "k"
        default: fixed(perSecond / 1e6, decimals: 1) + "M"
        }
    }

    /// `6.25`, `142.1`, `33278`, `1.2e+09`: short, and only with significant digits.
    package static func perplexity(_ value: Double) -> String {
        switch value {
        case ..<100: fixed(value, decimals: 2)
        case ..<1000: fixed(value, decimals: 1)
        case ..<1e6: fixed(value, decimals: 0)
        default: printed("%.1e", value)
        }
    }

    /// With `decimals` places; in scientific notation if those would not be significant.
    package static func fixed(_ value: Double, decimals: Int) -> String {
        printed(abs(value) < 1e15 ? "%.\(decimals)f" : "%.\(decimals)e", value)
    }

    /// With at most `digits` significant digits: `0.0123`, `1e-05`, `33280`.
    package static func significant(_ value: Double, digits: Int) -> String { printed("%.\(digits)g", value) }

    static func padded(_ text: String, to width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    private static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// Formats one number like C's `printf`.
    private static func printed(_ format: String, _ value: Double) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            _ = withVaList([value]) { vsnprintf(buffer.baseAddress!, buffer.count, format, $0) }
            return String(cString: buffer.baseAddress!)
        }
    }
}
