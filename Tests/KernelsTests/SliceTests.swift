import Foundation
import Kernels
import Randomness
import Synchronization
import Testing

/// What the ranks of a team compute, each a slice, is to the bit what one rank computes.
@Suite struct SliceTests {
    private func random(_ count: Int, seed: UInt64) -> Buffer {
        var random = PhiloxSequence(seed: seed, purpose: .corpus)
        let buffer = Buffer(count: count)
        for i in 0..<count { buffer.base[i] = Float(random.uniform() * 2 - 1) }
        return buffer
    }

    /// A partition of `width` units, one of them without any.
    private func parts(_ width: Int) -> [Range<Int>] {
        [0, width / 3, width / 3, min(width, width / 3 + 17), width].adjacent.map { $0..<$1 }
    }

    @Test(arguments: [(5, 40, 70, 4), (1, 33, 8, 3), (20, 300, 100, 1)], [true, false])
    func packedProducts(shape: (rows: Int, inputs: Int, units: Int, blocks: Int), transposed: Bool) throws {
        let (rows, k, n) = (shape.rows, shape.inputs, shape.units * shape.blocks)
        let (a, weights, start) = (random(rows * k, seed: 1), random(k * n, seed: 2), random(rows * n, seed: 3))
        let b = Matrix(weights.base, rows: transposed ? n : k, columns: transposed ? k : n)
        func result(_ parts: [Range<Int>]) throws -> [Float] {
            let c = Buffer(count: rows * n)
            copy(start.base, to: c.base, count: rows * n)
            for units in parts {
                let product = try SlicedProduct(
                    rows: rows, inputs: k, outputs: Slices(units, ofBlocks: shape.blocks, width: shape.units), transposed: transposed,
                    accumulate: true)
                product.pack(b)
                try product.run(a.base, into: c.base, rows: rows)
            }
            return Array(c.elements)
        }
        try withExtendedLifetime((a, weights, start)) {
            let (sliced, whole) = (try result(parts(shape.units)), try result([0..<shape.units]))
            #expect(sliced == whole)
        }
    }

    /// Ranks that pack together, each its panels and no others, end in the weights that one packs alone.
    @Test(arguments: [(1, 3), (33, 70), (64, 260)], [true, false])
    func packedTogether(shape: (inputs: Int, outputs: Int), transposed: Bool) throws {
        let (k, n, rows) = (shape.inputs, shape.outputs, 5)
        let (a, weights) = (random(rows * k, seed: 1), random(k * n, seed: 2))
        let b = Matrix(weights.base, rows: transposed ? n : k, columns: transposed ? k : n)
        func product(_ packing: Packing) throws -> PackedProduct {
            try PackedProduct(rows: rows, inputs: k, outputs: n, transposed: transposed, accumulate: false, packing: packing)
        }
        let (c, expected) = (Buffer(count: rows * n), Buffer(count: rows * n))
        try withExtendedLifetime((a, weights)) {
            let alone = try product(.alone)
            alone.pack(b)
            try alone.run(a.base, into: expected.base)
            for parts in [2, 3, 7] {
                let memory = Buffer(count: Int(PackedProduct.count(inputs: k, outputs: n)))
                let ranks = try (0..<parts).map { part in
                    try product(Packing(part: part, of: parts) { count in
                        #expect(count == memory.count)
                        return memory
                    })
                }
                var written = 0
                for rank in ranks.shuffled() {
                    memory.fill(.nan)
                    rank.pack(b)
                    written += memory.elements.count { !$0.isNaN }
                }
                #expect(written == memory.count, "each panel is packed by one rank")
                memory.fill(.nan)
                for rank in ranks.shuffled() { rank.pack(b) }
                for rank in ranks {
                    c.fill(0)
                    try rank.run(a.base, into: c.base)
                    #expect(Array(c.elements) == Array(expected.elements), "\(parts) ranks")
                }
            }
        }
    }

    @Test(arguments: [(70, 40, 60, 4), (900, 40, 20, 3), (9, 3, 8, 2)])
    func weightGradients(shape: (rows: Int, inputs: Int, units: Int, blocks: Int)) throws {
        let (rows, n, m) = (shape.rows, shape.inputs, shape.units * shape.blocks)
        let (deltas, input) = (random(rows * m, seed: 1), random(rows * n, seed: 2))
        let (whole, sliced) = (Buffer(count: m * n), Buffer(count: m * n))
        let (a, b) = (Matrix(deltas.base, rows: rows, columns: m), Matrix(input.base, rows: rows, columns: n))
        try withExtendedLifetime((deltas, input)) {
            try multiply(a, aTransposed: true, by: b, into: Matrix(whole.base, rows: m, columns: n))
            for units in parts(shape.units) {
                try multiply(
                    a, Slices(units, ofBlocks: shape.blocks, width: shape.units), by: b,
                    into: Matrix(sliced.base, rows: m, columns: n))
            }
        }
        #expect(Array(sliced.elements) == Array(whole.elements))
    }

    /// The same of sums by shards.
    @Test(arguments: [(5, 40, 60, 4), (12, 33, 20, 3), (3, 300, 8, 1)])
    func weightGradientsByShards(shape: (shards: Int, inputs: Int, units: Int, blocks: Int)) throws {
        let (steps, width, n, m) = (7, 2, shape.inputs, shape.units * shape.blocks)
        let leaves = Leaves(shape.shards, steps: steps, width: width, batch: shape.shards * width)
        let rows = shape.shards * width * steps
        let (deltas, input) = (random(rows * m, seed: 1), random(rows * n, seed: 2))
        let (whole, sliced) = (Buffer(count: m * n), Buffer(count: m * n))
        let product = try TreeProduct(rows: rows, columns: n)
        withExtendedLifetime((deltas, input)) {
            let (a, b) = (Matrix(deltas.base, rows: rows, columns: m), Matrix(input.base, rows: rows, columns: n))
            product.multiply(a, by: b, leaves, into: Matrix(whole.base, rows: m, columns: n))
            for units in parts(shape.units) {
                product.multiply(
                    a, Slices(units, ofBlocks: shape.blocks, width: shape.units), by: b, leaves,
                    into: Matrix(sliced.base, rows: m, columns: n))
            }
        }
        #expect(Array(sliced.elements) == Array(whole.elements))
    }

    @Test(arguments: CellOperation.all) func cells(_ operation: CellOperation) {
        let (rows, size) = (3, 50)
        func result(_ parts: [Range<Int>]) -> [[Float]] {
            let operands = operation.parts.enumerated().map {
                random(abs($1) * size * ($1 < 0 ? 1 : rows), seed: UInt64($0))
            }
            for units in parts { operation.run(CellArithmetic(size: size, units: units), rows, operands.map { $0.row() }) }
            return operands.map { Array($0.elements) }
        }
        #expect(result(parts(size)) == result([0..<size]))
        let first = result([0..<20])
        #expect(first != result([0..<size]) && first != result([]), "the units that are left out are those of others")
    }

    /// The numbers whose sum is the sum of squares, wherever the part begins.
    @Test(arguments: [3, 512, 515, 2048, 2050]) func squaresOfParts(count: Int) {
        let values = random(count, seed: 5)
        var terms = [Double](repeating: .nan, count: squareCount(of: count))
        withExtendedLifetime(values) {
            for first in stride(from: 0, to: count, by: 2 * squareBlock) {
                terms.withUnsafeMutableBufferPointer {
                    squares(
                        values.base + first, count: min(2 * squareBlock, count - first),
                        into: $0.baseAddress! + first / squareBlock)
                }
            }
            #expect(terms.reduce(0, +) == sumOfSquares(values.base, count: count))
        }
    }

    /// Nobody passes before all have come, many times over, and a long wait is noticed.
    @Test(arguments: [1, 2, 3, 5, 8]) func nobodyPassesTheBarrierAlone(size: Int) {
        let times = 300
        let memory = SharedMemory(size: size)
        let counts = (0..<size).map { _ in Counter() }
        let (early, waits) = (Counter(), Counter())
        let threads = (0..<size).map { rank in
            Thread {
                let barrier = memory.barrier(rank) { if $0 { waits.add() } }
                for time in 1...times {
                    if rank == 0, time == times { usleep(30_000) }
                    counts[rank].add()
                    if !barrier.meet() { early.add() }
                    for other in counts where other.value < time { early.add() }
                }
                counts[rank].end()
            }
        }
        for thread in threads { thread.start() }
        for count in counts { count.waitForEnd() }
        #expect(early.value == 0)
        #expect(size == 1 || waits.value > 0)
    }

    /// A rank that fails does not keep the others.
    @Test func whoLeavesIsNotWaitedFor() {
        let memory = SharedMemory(size: 3)
        let results = (0..<2).map { _ in Counter() }
        for rank in 0..<2 {
            Thread {
                if !memory.barrier(rank, { _ in }).meet() { results[rank].add() }
                results[rank].end()
            }.start()
        }
        usleep(10_000)
        memory.barrier(2) { _ in }.leave()
        for result in results { result.waitForEnd() }
        #expect(results.allSatisfy { $0.value == 1 })
    }
}

/// What all threads see; the barrier's words are atomic.
private final class SharedMemory: @unchecked Sendable {
    private let buffer: Buffer
    private let size: Int

    init(size: Int) {
        self.size = size
        buffer = Buffer(count: Barrier.count(size: size))
    }

    func barrier(_ rank: Int, _ waiting: @escaping (Bool) -> Void) -> Barrier {
        Barrier(
            UnsafeMutableBufferPointer(start: buffer.base, count: buffer.count), of: buffer, rank: rank, size: size, waiting: waiting)
    }
}

private final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    private let ended = DispatchSemaphore(value: 0)
    func add() { count.add(1, ordering: .sequentiallyConsistent) }
    var value: Int { count.load(ordering: .sequentiallyConsistent) }
    func end() { ended.signal() }
    func waitForEnd() { ended.wait() }
}

extension Array {
    fileprivate var adjacent: [(Element, Element)] { Array<(Element, Element)>(zip(self, dropFirst())) }
}
