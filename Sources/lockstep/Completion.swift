import ArgumentParser
import Configuration

extension CompletionKind {
    /// What `--set` takes, up to the value.
    static var settings: CompletionKind { .list(RunConfiguration().values.map { $0.path + "=" }) }
}

/// What the parser prints and then exits with 0: help, version and completion scripts.
enum RequestedText {
    /// ArgumentParser's script for Bash puts a space after whatever it completes; the value of a setting must follow its `=`.
    private static let noSpaceAfterSetting = """

        _lockstep_joining_values() {
            _lockstep "${@}"
            [[ "${#COMPREPLY[@]}" -ne 1 || "${COMPREPLY[0]}" != *= ]] || compopt -o nospace
        }

        complete -o filenames -F _lockstep_joining_values lockstep

        """

    static func completed(_ text: String) -> String { text.hasPrefix("#!/bin/bash") ? text + noSpaceAfterSetting : text }
}
