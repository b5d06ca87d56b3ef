import Glibc

/// Byte strings, numbered in order of insertion. Their bytes are in one arena, found through an open-addressing hash table
/// with linear probing. No allocation per string, and `String` (whose equality is that of canonical Unicode
/// equivalence, not of bytes) is not used.
package struct ByteStringTable: Sendable {
    /// A string's length and, up to eight bytes, its content, which are compared without looking at the arena; for longer strings
    /// the key is a hash.
    private struct Slot {
        var key: UInt64 = 0
        var length: UInt32 = 0
        /// The number plus one; 0 in a free slot.
        var number: UInt32 = 0
    }

    private var arena: [UInt8] = []
    /// String i is `arena[ends[i - 1] ..< ends[i]]`.
    private var ends: [Int] = []
    private var slots = [Slot](repeating: Slot(), count: 1024)
    /// Random for each table, so that nobody can construct a file whose strings all collide.
    private let seeds = (UInt64.random(in: 0 ... .max), UInt64.random(in: 0 ... .max) | 1)

    package init() {}

    package var count: Int { ends.count }
    package var indices: Range<Int> { 0..<count }

    package subscript(_ number: Int) -> ArraySlice<UInt8> { arena[start(of: number)..<ends[number]] }

    package func find(_ string: UnsafeBufferPointer<UInt8>) -> Int? {
        let number = slots[place(of: string, key: key(of: string))].number
        return number == 0 ? nil : Int(number) - 1
    }

    /// The string's number and whether it is new.
    package mutating func insert(_ string: UnsafeBufferPointer<UInt8>) -> (number: Int, isNew: Bool) {
        let key = key(of: string)
        let place = place(of: string, key: key)
        if slots[place].number != 0 { return (Int(slots[place].number) - 1, false) }
        arena.append(contentsOf: string)
        ends.append(arena.count)
        slots[place] = Slot(key: key, length: UInt32(string.count), number: UInt32(count))
        if count * 3 > slots.count * 2 { grow() }
        return (count - 1, true)
    }

    package mutating func insert(_ string: some Sequence<UInt8>) -> (number: Int, isNew: Bool) {
        Array(string).withUnsafeBufferPointer { insert($0) }
    }

    /// Compares by bytes, a prefix first.
    func precedes(_ a: Int, _ b: Int) -> Bool { self[a].lexicographicallyPrecedes(self[b]) }

    private func start(of number: Int) -> Int { number == 0 ? 0 : ends[number - 1] }

    /// The slot of the string, or the free slot where it belongs.
    @inline(__always)
    private func place(of string: UnsafeBufferPointer<UInt8>, key: UInt64) -> Int {
        var place = firstPlace(key, string.count)
        while slots[place].number != 0 {
            if slots[place].key == key, slots[place].length == string.count,
                string.count <= 8 || holds(string, Int(slots[place].number) - 1)
            {
                break
            }
            place = (place + 1) & (slots.count - 1)
        }
        return place
    }

    private func holds(_ string: UnsafeBufferPointer<UInt8>, _ number: Int) -> Bool {
        arena.withUnsafeBufferPointer {
            memcmp($0.baseAddress! + start(of: number), string.baseAddress!, string.count) == 0
        }
    }

    private mutating func grow() {
        let former = slots
        slots = [Slot](repeating: Slot(), count: former.count * 2)
        for slot in former where slot.number != 0 {
            var place = firstPlace(slot.key, Int(slot.length))
            while slots[place].number != 0 { place = (place + 1) & (slots.count - 1) }
            slots[place] = slot
        }
    }

    @inline(__always)
    private func firstPlace(_ key: UInt64, _ length: Int) -> Int {
        Int(truncatingIfNeeded: mixed(key ^ UInt64(truncatingIfNeeded: length))) & (slots.count - 1)
    }

    /// Together with the length, the key of a short string identifies it: it contains all its bytes, some of them perhaps twice.
    @inline(__always)
    private func key(of string: UnsafeBufferPointer<UInt8>) -> UInt64 {
        let count = string.count
        guard let bytes = UnsafeRawPointer(string.baseAddress), count > 0 else { return 0 }
        func load<Word: FixedWidthInteger>(_: Word.Type, _ offset: Int) -> UInt64 {
            UInt64(truncatingIfNeeded: bytes.loadUnaligned(fromByteOffset: offset, as: Word.self))
        }
        if count > 8 {
            var key: UInt64 = 0
            for offset in stride(from: 0, to: count - 8, by: 8) { key = mixed(key ^ load(UInt64.self, offset)) }
            return mixed(key ^ load(UInt64.self, count - 8))
        }
        if count >= 4 { return load(UInt32.self, 0) | load(UInt32.self, count - 4) << 32 }
        return load(UInt8.self, 0) | load(UInt8.self, count / 2) << 8 | load(UInt8.self, count - 1) << 16
    }

    /// Folds the two halves of a 128-bit product into one.
    @inline(__always)
    private func mixed(_ value: UInt64) -> UInt64 {
        let product = (value ^ seeds.0).multipliedFullWidth(by: seeds.1)
        return product.high ^ product.low
    }
}
