import ArgumentParser
import Configuration
import Platform

extension CompletionKind {
    /// What `--set` takes, up to the value.
    /// Asked for whenever a command is parsed, and so by doctor on a processor that cannot run the modules which the defaults come from.
    static var settings: CompletionKind {
        .list(Machine.missingInstructions == nil ? RunConfiguration().values.map { $0.path + "=" } : [])
    }
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
