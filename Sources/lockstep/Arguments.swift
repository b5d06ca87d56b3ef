import Diagnostics

/// What this process was started with. The standard library's `CommandLine.arguments` replaces bytes that are not UTF-8.
enum Arguments {
    /// With the program's name.
    static let all: [String] = (0..<Int(CommandLine.argc)).compactMap { index in
        CommandLine.unsafeArgv[index].map { String(cBytes: $0) }
    }

    /// Without it.
    static var given: [String] { Array(all.dropFirst()) }
}
