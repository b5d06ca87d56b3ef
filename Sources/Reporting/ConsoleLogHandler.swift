import Logging

/// Sends log messages to a console, above its live line: notices plain, warnings and errors with their level first.
public struct ConsoleLogHandler: LogHandler {
    private let console: Console
    public var metadata: Logger.Metadata = [:]
    public var logLevel = Logger.Level.info

    public init(_ console: Console) { self.console = console }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let pairs = metadata.merging(event.metadata ?? [:]) { $1 }
            .sorted { $0.key < $1.key }
            .map { " \($0.key)=\($0.value)" }
            .joined()
        switch event.level {
        case .warning: console.print("warning: \(event.message)\(pairs)", colour: .yellow)
        case .error, .critical: console.print("error: \(event.message)\(pairs)", colour: .red)
        default: console.print("\(event.message)\(pairs)")
        }
    }
}
