/// A number to sort by, and what belongs to it.
struct SortItem: BitwiseCopyable {
    var key: UInt64
    var value: UInt32
}

extension [SortItem] {
    /// Sorts by key; items of equal key keep their order. From the lowest digit of 11 bits to the highest (Knuth, volume 3,
    /// section 5.2.5).
    /// - Parameter bits: how many bits of the keys are not zero.
    mutating func radixSort(bits: Int) {
        let digit = 11
        var other = [SortItem](repeating: SortItem(key: 0, value: 0), count: count)
        for shift in stride(from: 0, to: bits, by: digit) {
            var places = [Int](repeating: 0, count: 1 << digit)
            withUnsafeBufferPointer { items in
                other.withUnsafeMutableBufferPointer { sorted in
                    for item in items { places[Int(item.key >> UInt64(shift)) & (1 << digit - 1)] += 1 }
                    var sum = 0
                    for index in places.indices { (places[index], sum) = (sum, sum + places[index]) }
                    for item in items {
                        let index = Int(item.key >> UInt64(shift)) & (1 << digit - 1)
                        sorted[places[index]] = item
                        places[index] += 1
                    }
                }
            }
            swap(&self, &other)
        }
    }
}

extension Int {
    /// Bits of the numbers below this one.
    var bitsBelow: Int { self <= 1 ? 0 : Int.bitWidth - (self - 1).leadingZeroBitCount }
}
