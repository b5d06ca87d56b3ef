import Diagnostics
import Files
import Glibc

/// The terminal that shows what is written to a descriptor.
struct Terminal: Sendable {
    private let descriptor: Int32

    /// Nil if nobody watches: the descriptor is a file, or a pipe to anything but an mpirun that shows its output.
    init?(of descriptor: Int32) {
        if isatty(descriptor) == 1 {
            self.descriptor = descriptor
        } else if descriptor == STDERR_FILENO, let other = Terminal.ofLauncher() {
            self.descriptor = other
        } else {
            return nil
        }
    }

    /// The number of columns, queried each time so that a resized window is noticed.
    var width: Int {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// mpirun forwards its ranks' standard error as it comes, unless told to tag or to store the lines. Only the ranks
    /// on its own machine, which it has started itself, can see where its standard error goes.
    private static func ofLauncher() -> Int32? {
        guard LaunchEnvironment.isChildOfLauncher else { return nil }
        var launcher = Int(getppid())
        var words = words(of: launcher)
        // Between Hydra's mpiexec and the ranks there is a daemon on the first machine, too.
        if name(words) == "hydra_pmi_proxy" {
            launcher = parent(of: launcher)
            words = Self.words(of: launcher)
        }
        let names = ["mpirun", "mpiexec", "orterun", "prterun", "mpiexec.hydra", "mpirun.mpich", "mpiexec.mpich"]
        guard names.contains(name(words)) else { return nil }
        let marking = [
            "tag-output", "timestamp-output", "xml", "output-filename", "output", "xterm", "prepend-rank", "l",
            "prepend-pattern", "errfile-pattern",
        ]
        guard !words.contains(where: { word in marking.contains(String(word.drop { $0 == "-" })) && word.first == "-" })
        else { return nil }
        let descriptor = open("/proc/\(launcher)/fd/2", O_WRONLY | O_NOCTTY | O_CLOEXEC)
        if descriptor >= 0, isatty(descriptor) == 1 { return descriptor }
        if descriptor >= 0 { close(descriptor) }
        return nil
    }

    /// The command line of a process.
    private static func words(of process: Int) -> [String] {
        ((try? File.contents(of: "/proc/\(process)/cmdline", limit: 1 << 20)) ?? [])
            .split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    /// A program's name without its folder.
    private static func name(_ words: [String]) -> String { words.first?.split(separator: "/").last.map(String.init) ?? "" }

    private static func parent(of process: Int) -> Int {
        let lines = String(decoding: (try? File.contents(of: "/proc/\(process)/status", limit: 1 << 16)) ?? [], as: UTF8.self)
        let line = lines.split(separator: "\n").first { $0.hasPrefix("PPid:") }
        return line.flatMap { Int($0.dropFirst(5).filter(\.isNumber)) } ?? 0
    }
}
