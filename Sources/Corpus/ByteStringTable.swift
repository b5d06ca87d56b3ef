import Glibc

/// Byte strings numbered in order of insertion: their bytes in one arena, found through an open-addressing hash table
/// with linear probing. No allocation per string, and `String` (whose equality is that of canonical Unicode
/// equivalence, not of bytes) stays out of it.
struct ByteStringTable: Sendable {
    private var arena: [UInt8] = []
    /// String i is `arena[ends[i - 1] ..< ends[i]]`.
    private var ends: [Int] = []
    /// Upper half: the upper half of the string's hash. Lower half: its number plus one; 0 is a free slot.
    private var slots = [UInt64](repeating: 0, count: 1024)

    var count: Int { ends.count }

    subscript(_ number: Int) -> ArraySlice<UInt8> { arena[(number == 0 ? 0 : ends[number - 1])..<ends[number]] }

    func find(_ string: UnsafeBufferPointer<UInt8>) -> Int? {
        let number = slots[slot(of: string, hash: ByteStringTable.hash(string))] & 0xFFFF_FFFF
        return number == 0 ? nil : Int(number) - 1
    }

    /// The string's number and whether it is new.
    mutating func insert(_ string: UnsafeBufferPointer<UInt8>) -> (number: Int, isNew: Bool) {
        let hash = ByteStringTable.hash(string)
        let place = slot(of: string, hash: hash)
        if slots[place] != 0 { return (Int(slots[place] & 0xFFFF_FFFF) - 1, false) }
        arena.append(contentsOf: string)
        ends.append(arena.count)
        slots[place] = ByteStringTable.tag(hash) | UInt64(UInt32(count))
        if count * 2 > slots.count { grow() }
        return (count - 1, true)
    }

    mutating func insert(_ string: some Sequence<UInt8>) -> (number: Int, isNew: Bool) {
        Array(string).withUnsafeBufferPointer { insert($0) }
    }

    /// Compares by bytes, a prefix first.
    func precedes(_ a: Int, _ b: Int) -> Bool { self[a].lexicographicallyPrecedes(self[b]) }

    /// Where the string is, or the free slot where it belongs.
    private func slot(of string: UnsafeBufferPointer<UInt8>, hash: UInt64) -> Int {
        let mask = slots.count - 1
        var place = Int(truncatingIfNeeded: hash) & mask
        while slots[place] != 0 {
            if ByteStringTable.tag(slots[place]) == ByteStringTable.tag(hash) {
                let number = Int(slots[place] & 0xFFFF_FFFF) - 1
                let start = number == 0 ? 0 : ends[number - 1]
                if ends[number] - start == string.count,
                    arena.withUnsafeBufferPointer({
                        string.isEmpty || memcmp($0.baseAddress! + start, string.baseAddress!, string.count) == 0
                    })
                {
                    break
                }
            }
            place = (place + 1) & mask
        }
        return place
    }

    private mutating func grow() {
        slots = [UInt64](repeating: 0, count: slots.count * 4)
        let mask = slots.count - 1
        arena.withUnsafeBufferPointer { arena in
            var start = 0
            for (number, end) in ends.enumerated() {
                let hash = ByteStringTable.hash(UnsafeBufferPointer(rebasing: arena[start..<end]))
                var place = Int(truncatingIfNeeded: hash) & mask
                while slots[place] != 0 { place = (place + 1) & mask }
                slots[place] = ByteStringTable.tag(hash) | UInt64(number + 1)
                start = end
            }
        }
    }

    private static func tag(_ hash: UInt64) -> UInt64 { hash & 0xFFFF_FFFF_0000_0000 }

    /// FNV-1a, its upper bits folded into the lower ones, which choose the slot.
    private static func hash(_ string: UnsafeBufferPointer<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in string { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        hash = (hash ^ hash >> 32) &* 0xD6E8_FEB8_6659_FD93
        return hash ^ hash >> 32
    }
}
