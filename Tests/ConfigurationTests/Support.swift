import Configuration
import Diagnostics
import Foundation
import Testing

/// Loads `text` from a file named `config.yaml`.
func load(_ text: String, overrides: [String] = []) throws -> RunConfiguration {
    try load(bytes: Array(text.utf8), overrides: overrides)
}

func load(bytes: [UInt8], overrides: [String] = []) throws -> RunConfiguration {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appending(path: "config.yaml")
    try Data(bytes).write(to: file)
    return try RunConfiguration.load(file: file.path, overrides: overrides)
}

/// The line that `lockstep` would print, with the temporary folder left out; checks that it is a usage error.
func refusal(_ text: String, overrides: [String] = [], sourceLocation: SourceLocation = #_sourceLocation) -> String? {
    refusal(bytes: Array(text.utf8), overrides: overrides, sourceLocation: sourceLocation)
}

func refusal(bytes: [UInt8], overrides: [String] = [], sourceLocation: SourceLocation = #_sourceLocation) -> String? {
    let error = #expect(throws: ConfigurationError.self, sourceLocation: sourceLocation) {
        _ = try load(bytes: bytes, overrides: overrides)
    }
    #expect(error?.kind == .usage, sourceLocation: sourceLocation)
    return error?.description.replacing(/^\S*\/config.yaml/, with: "config.yaml")
}
