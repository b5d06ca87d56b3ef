import Diagnostics
import Files

/// A memory-mapped `.npy` file of real numbers in single precision, [rows, columns]: the inputs or targets of a dataset of numbers. A row
/// of which all values are NaN is absent: nothing was measured there, or nothing is predicted.
///
/// Unchecked because of the pointer; what it points to never changes.
package final class ValueFile: @unchecked Sendable {
    package let path: String
    package let rows: Int
    package let columns: Int
    /// Row-major.
    package let base: UnsafePointer<Float>
    private let file: MappedFile

    /// The most columns that a file may have.
    package static let widest = 65_536
    /// Rows are numbered in 32 bits.
    package static let longest = Int(Int32.max)

    /// - Throws: `FileError`, `ArrayFileError`, `ValueFileError`.
    package init(contentsOf path: String) throws {
        let file = try MappedFile(path)
        let header = try ArrayHeader(parsing: file.bytes, fileSize: file.bytes.count, file: path, accepting: [.float32], dimensions: 2...2)
        self.path = path
        self.file = file
        (rows, columns) = (header.shape[0], header.shape[1])
        guard rows <= ValueFile.longest, 1...ValueFile.widest ~= columns, header.dataOffset % MemoryLayout<Float>.alignment == 0 else {
            throw ValueFileError(
                file: path, place: "the header", problem: "not an array of values as lockstep writes it",
                expected: "up to \(ValueFile.longest) rows of 1 to \(ValueFile.widest) values", found: "\(rows) rows of \(columns)")
        }
        base = (file.bytes.baseAddress! + header.dataOffset).assumingMemoryBound(to: Float.self)
    }

    /// Size of the file in bytes when it was mapped.
    var fileSize: Int { file.bytes.count }

    package func row(_ index: Int) -> UnsafeBufferPointer<Float> {
        precondition(index >= 0 && index < rows)
        return UnsafeBufferPointer(start: base + index * columns, count: columns)
    }

    package func isAbsent(_ index: Int) -> Bool { row(index)[0].isNaN }

    /// Reads every value once.
    /// - Throws: `ValueFileError` for a row that is neither finite nor absent.
    func validate() throws {
        for index in 0..<rows {
            guard let column = ValueFile.strangeColumn(row(index)) else { continue }
            throw ValueFileError(
                file: path, place: "row \(index), column \(column)", problem: "neither a number nor part of an absent row",
                expected: "finite numbers, or NaN in all columns of the row", found: "\(row(index)[column])")
        }
    }

    /// The first column that makes a row neither finite nor absent; nil if none does.
    static func strangeColumn(_ row: UnsafeBufferPointer<Float>) -> Int? {
        if row.allSatisfy(\.isNaN) { return nil }
        return row.firstIndex { !$0.isFinite }
    }

    /// As `TokenStore.check`.
    package func check(hash: String) throws { try file.check(hash: hash) }
}

/// Values that cannot be trained on.
package struct ValueFileError: DiagnosedError, Equatable {
    package let file: String
    /// Line, row or column.
    package let place: String
    let problem: String
    let expected: String
    let found: String
    var remedy = "correct the file, and prepare the data again"

    package var kind: FailureKind { .data }
    package var diagnosis: Diagnosis {
        Diagnosis(problem, file: file, location: place, expected: expected, found: found, remedy: remedy)
    }
}
