import Logging

/// Sends log messages to a console, above its live line: notices plain, warnings and errors with their level first.
package struct ConsoleLogHandler: LogHandler {
    private let console: Console
    package var metadata: Logger.Metadata = [:]
    package var logLevel = Logger.Level.info

    package init(_ console: Console) { self.console = console }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
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
