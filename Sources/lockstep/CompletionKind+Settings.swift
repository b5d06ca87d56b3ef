import ArgumentParser
import Configuration

extension CompletionKind {
    /// What `--set` takes, up to the value.
    static var settings: CompletionKind { .list(RunConfiguration().values.map { $0.path + "=" }) }
}
