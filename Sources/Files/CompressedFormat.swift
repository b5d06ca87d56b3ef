import Diagnostics

/// Compressed files that are not decompressed here, told by their first bytes.
package enum CompressedFormat: String, CaseIterable, Sendable {
    case bzip2, xz, zstd, lz4, zip
    case sevenZip = "7z"
    case compress

    var magic: [UInt8] {
        switch self {
        case .bzip2: Array("BZh".utf8)
        case .xz: [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]
        case .zstd: [0x28, 0xB5, 0x2F, 0xFD]
        case .lz4: [0x04, 0x22, 0x4D, 0x18]
        case .zip: [0x50, 0x4B, 0x03, 0x04]
        case .sevenZip: [0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C]
        case .compress: [0x1F, 0x9D]
        }
    }

    /// The most bytes that `init(startingWith:)` looks at.
    static let longestStart = 10

    /// nil for anything else.
    init?(startingWith bytes: [UInt8]) {
        let found = CompressedFormat.allCases.first { bytes.starts(with: $0.magic) }
        guard let found else { return nil }
        // Text may begin with "BZh"; bzip2's blocks begin with the digits of pi.
        if found == .bzip2, !bytes.dropFirst(4).starts(with: [0x31, 0x41, 0x59, 0x26, 0x53, 0x59]) { return nil }
        self = found
    }

    /// A command that writes the content of FILE to standard output.
    var command: String {
        switch self {
        case .bzip2: "bzip2 -dc"
        case .xz: "xz -dc"
        case .zstd: "zstd -dc"
        case .lz4: "lz4 -dc"
        case .zip: "unzip -p"
        case .sevenZip: "7z x -so"
        case .compress: "gzip -dc"
        }
    }
}

/// Text in a compressed form that is not read.
package struct CompressedText: DiagnosedError, Equatable {
    package let path: String
    package let format: CompressedFormat

    package var kind: FailureKind { .data }
    package var diagnosis: Diagnosis {
        Diagnosis(
            "a file compressed with \(format.rawValue), not text", file: path,
            remedy: "decompress it through a pipe: \(format.command) FILE | lockstep ..., with - in place of the file; gzip is read as it is")
    }
}
