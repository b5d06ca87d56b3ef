/// `OMP_NUM_THREADS`, by which a user says how many threads each rank has.
package enum ThreadCount {
    package static let variable = "OMP_NUM_THREADS"

    /// OpenMP allows a list with a number for each level of nesting (OpenMP 5.0, section 6.2); the first one counts.
    /// - Returns: nil if the text names no number from 1 up.
    package static func read(_ text: String) -> Int? {
        let first = text.prefix { $0 != "," }.filter { !$0.isWhitespace }
        return Int(first).flatMap { $0 > 0 ? $0 : nil }
    }
}
