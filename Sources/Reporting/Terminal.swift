import Files
import Glibc

/// The terminal on which a person sees what is written to a descriptor.
struct Terminal: Sendable {
    private let descriptor: Int32

    /// Nil when nobody watches: the descriptor is a file, or a pipe to anything but an mpirun that shows it.
    init?(of descriptor: Int32) {
        if isatty(descriptor) == 1 {
            self.descriptor = descriptor
        } else if descriptor == STDERR_FILENO, let other = Terminal.ofLauncher() {
            self.descriptor = other
        } else {
            return nil
        }
    }

    /// Columns; asked anew each time, so that a resized window is noticed.
    var width: Int {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// mpirun passes its ranks' standard error on as it comes, unless told to mark or to store the lines. Only the ranks
    /// beside it, which it has started itself, can see where its own goes.
    private static func ofLauncher() -> Int32? {
        guard getenv("OMPI_COMM_WORLD_RANK") != nil else { return nil }
        let parent = "/proc/\(getppid())"
        let words = ((try? File.contents(of: "\(parent)/cmdline", limit: 1 << 20)) ?? [])
            .split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        let name = words.first.map { $0.split(separator: "/").last.map(String.init) ?? $0 }
        guard let name, ["mpirun", "mpiexec", "orterun", "prterun"].contains(name) else { return nil }
        let marking = ["tag-output", "timestamp-output", "xml", "output-filename", "output", "xterm"]
        guard !words.contains(where: { word in marking.contains(String(word.drop { $0 == "-" })) && word.first == "-" })
        else { return nil }
        let descriptor = open("\(parent)/fd/2", O_WRONLY | O_NOCTTY | O_CLOEXEC)
        if descriptor >= 0, isatty(descriptor) == 1 { return descriptor }
        if descriptor >= 0 { close(descriptor) }
        return nil
    }
}
