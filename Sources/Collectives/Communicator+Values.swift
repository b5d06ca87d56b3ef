extension Communicator {
    /// Collective. Every rank's numbers (there may be more of some than of others), by rank, on all ranks.
    package func allGather(numbers: [Int]) throws -> [[Int]] {
        try allGather(numbers.withUnsafeBytes { Array($0) }).map { bytes in
            bytes.withUnsafeBytes { bytes in
                stride(from: 0, to: bytes.count, by: MemoryLayout<Int>.stride).map {
                    bytes.loadUnaligned(fromByteOffset: $0, as: Int.self)
                }
            }
        }
    }

    /// Collective. Every rank's text, by rank, on all ranks.
    package func allGather(text: String) throws -> [String] {
        try allGather(Array(text.utf8)).map { String(decoding: $0, as: UTF8.self) }
    }
}
