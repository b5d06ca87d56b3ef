import Collectives

/// Distinct keys in ascending order, with counts.
struct CountedKeys {
    private(set) var keys: [UInt64] = []
    private(set) var counts: [Int] = []

    /// - Parameter key: not below the last one.
    @inline(__always)
    mutating func add(_ key: UInt64, count: Int) {
        if let last = keys.last, last == key {
            counts[counts.count - 1] += count
        } else {
            keys.append(key)
            counts.append(count)
        }
    }

    /// Bytes that a rank sends at a time.
    private static let piece = 1 << 26

    /// Collective. The sums of all ranks' counts.
    func sum(over communicator: any Communicator) throws -> CountedKeys {
        guard communicator.size > 1 else { return self }
        var lists = try communicator.allGather(inPieces: keys, Self.piece).enumerated().map { rank, keys in
            CountedKeys(keys: keys, counts: [])
        }
        for (rank, counts) in try communicator.allGather(inPieces: counts, Self.piece).enumerated() { lists[rank].counts = counts }
        // Pairs of pairs: each key is copied log2(ranks) times.
        while lists.count > 1 {
            lists = stride(from: 0, to: lists.count, by: 2).map {
                $0 + 1 < lists.count ? CountedKeys(merging: lists[$0], lists[$0 + 1]) : lists[$0]
            }
        }
        return lists[0]
    }

    init() {}

    private init(keys: [UInt64], counts: [Int]) {
        self.keys = keys
        self.counts = counts
    }

    private init(merging a: CountedKeys, _ b: CountedKeys) {
        keys.reserveCapacity(a.keys.count + b.keys.count)
        counts.reserveCapacity(a.keys.count + b.keys.count)
        var (i, j) = (0, 0)
        while i < a.keys.count || j < b.keys.count {
            let takesFirst = j == b.keys.count || i < a.keys.count && a.keys[i] <= b.keys[j]
            let takesSecond = i == a.keys.count || j < b.keys.count && b.keys[j] <= a.keys[i]
            keys.append(takesFirst ? a.keys[i] : b.keys[j])
            counts.append((takesFirst ? a.counts[i] : 0) + (takesSecond ? b.counts[j] : 0))
            i += takesFirst ? 1 : 0
            j += takesSecond ? 1 : 0
        }
    }
}

extension Communicator {
    /// Every rank's elements, indexed by rank, on all ranks; sent in pieces, since MPI counts bytes in 32 bits.
    /// - Parameter bytes: how many of them a rank sends at a time.
    fileprivate func allGather<Element: BitwiseCopyable>(inPieces elements: [Element], _ bytes: Int) throws -> [[Element]] {
        var parts = [[Element]](repeating: [], count: size)
        let piece = max(1, bytes / MemoryLayout<Element>.stride / size)
        var start = 0
        while true {
            let own = elements[min(start, elements.count)..<min(start + piece, elements.count)]
            let pieces = try allGather(own.withUnsafeBytes(Array.init))
            for (rank, piece) in pieces.enumerated() {
                piece.withUnsafeBytes { parts[rank].append(contentsOf: $0.bindMemory(to: Element.self)) }
            }
            if pieces.allSatisfy(\.isEmpty) { return parts }
            start += piece
        }
    }
}
