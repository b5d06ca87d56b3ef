import Randomness
import Testing

import Kernels

/// Every element of a product is one chain of fused multiply-adds over k, whoever computes it: by brute force, to the bit.
@Suite struct ProductOrderTests {
    /// A product of random shape, strides, orientation and values, drawn from `seed`.
    struct Problem {
        let m, k, n, strideA, strideB, strideC: Int
        let aTransposed, bTransposed, accumulate: Bool
        let a, b, c: [Float]

        init(seed: Int, m: Int? = nil, k: Int? = nil, n: Int? = nil, special: Bool = false) {
            var random = PhiloxSequence(seed: UInt64(seed), purpose: .corpus)
            func below(_ limit: Int) -> Int { Int(random.uniform() * Double(limit)) }
            // Around the sizes of tiles and panels; now and then beyond a block of steps or rows.
            func size(_ common: Int, _ rare: Int) -> Int { 1 + below(below(8) == 0 ? rare : common) }
            let (rows, steps, columns) = (m ?? size(30, 210), k ?? size(40, 800), n ?? size(100, 200))
            let transposed = (below(2) == 0, below(2) == 0)
            (self.m, self.k, self.n) = (rows, steps, columns)
            (aTransposed, bTransposed, accumulate) = (transposed.0, transposed.1, below(2) == 0)
            // Some strides are powers of two, for which rows are copied.
            func stride(_ columns: Int) -> Int { below(4) == 0 ? (columns + 255) / 256 * 256 : columns + below(20) }
            strideA = stride(aTransposed ? rows : steps)
            strideB = stride(bTransposed ? steps : columns)
            strideC = stride(columns)
            func values(_ count: Int) -> [Float] {
                (0..<count).map { _ in
                    if special, below(40) == 0 {
                        return [.nan, .infinity, -.infinity, 0, -0.0, Float(bitPattern: 700_000), -.leastNonzeroMagnitude, 3e38, 1e-30][below(9)]
                    }
                    return Float(random.uniform() * 2 - 1)
                }
            }
            a = values((aTransposed ? steps : rows) * strideA)
            b = values((bTransposed ? columns : steps) * strideB)
            c = values(rows * strideC)
        }

        func a(_ i: Int, _ q: Int) -> Float { aTransposed ? a[q * strideA + i] : a[i * strideA + q] }
        func b(_ q: Int, _ j: Int) -> Float { bTransposed ? b[j * strideB + q] : b[q * strideB + j] }

        /// The definition, and the same sum in double precision with the sum of magnitudes.
        func element(_ i: Int, _ j: Int) -> (chain: Float, sum: Double, magnitude: Double) {
            var chain = accumulate ? c[i * strideC + j] : 0
            var (sum, magnitude) = (Double(chain), abs(Double(chain)))
            for q in 0..<k {
                let (x, y) = (a(i, q), b(q, j))
                chain = chain.addingProduct(x, y)
                sum += Double(x) * Double(y)
                magnitude += abs(Double(x) * Double(y))
            }
            return (chain, sum, magnitude)
        }

        /// All of c, columns between rows included.
        func multiplied(using vectors: Vectors) throws -> [Float] {
            let (x, y, z) = (buffer(a), buffer(b), buffer(c))
            return try withExtendedLifetime((x, y, z)) {
                try multiply(
                    Matrix(x.base, rows: aTransposed ? k : m, columns: aTransposed ? m : k, stride: strideA),
                    aTransposed: aTransposed,
                    by: Matrix(y.base, rows: bTransposed ? n : k, columns: bTransposed ? k : n, stride: strideB),
                    bTransposed: bTransposed, into: Matrix(z.base, rows: m, columns: n, stride: strideC),
                    accumulate: accumulate, using: vectors)
                return Array(z.elements)
            }
        }

        /// The same with packed weights, for some of the rows and columns; a [m, k] and c [rows, columns] without gaps. Twice, because
        /// every other product goes through the panels backwards.
        func packed(_ rows: Range<Int>, _ columns: Range<Int>, using vectors: Vectors) throws -> [Float] {
            let x = buffer(rows.flatMap { i in (0..<k).map { a(i, $0) } })
            let y = buffer(
                bTransposed
                    ? columns.flatMap { j in (0..<k).map { b($0, j) } } : (0..<k).flatMap { q in columns.map { b(q, $0) } })
            let z = buffer(rows.flatMap { i in columns.map { c[i * strideC + $0] } })
            let product = try PackedProduct(
                rows: rows.count, inputs: k, outputs: columns.count, transposed: bTransposed, accumulate: accumulate, using: vectors)
            return try withExtendedLifetime((x, y, z)) {
                product.pack(y.base)
                let start = Array(z.elements)
                let results = try (0..<2).map { _ in
                    z.elements.update(from: start)
                    try product.run(x.base, into: z.base)
                    return Array(z.elements)
                }
                #expect(zip(results[0], results[1]).allSatisfy { $0.bitPattern == $1.bitPattern }, "backwards")
                return results[1]
            }
        }

        private func buffer(_ values: [Float]) -> Buffer {
            let buffer = Buffer(count: values.count)
            buffer.elements.update(from: values)
            return buffer
        }
    }

    /// Bits, all NaN alike.
    private func same(_ a: Float, _ b: Float) -> Bool { a.bitPattern == b.bitPattern || a.isNaN && b.isNaN }

    @Test(arguments: 0..<60) func anElementIsOneChainWithEveryInstructionSet(seed: Int) throws {
        let problem = Problem(seed: seed, special: seed % 3 == 2)
        let results = try Vectors.available.map { try problem.multiplied(using: $0) }
        for i in 0..<problem.m {
            for j in 0..<problem.strideC {
                let place = i * problem.strideC + j
                guard j < problem.n else {
                    #expect(results.allSatisfy { same($0[place], problem.c[place]) }, "a gap between rows was written to")
                    continue
                }
                let (chain, sum, magnitude) = problem.element(i, j)
                if !results.allSatisfy({ same($0[place], chain) }) {
                    Issue.record("(\(i), \(j)) of \(problem.m) x \(problem.k) x \(problem.n): \(results.map { $0[place] }), not \(chain)")
                    return
                }
                if seed % 3 != 2 { #expect(abs(Double(chain) - sum) <= 1e-6 * magnitude) }
            }
        }
    }

    @Test(arguments: 100..<130, Vectors.available)
    func rowsAndColumnsAloneAreWhatTheyAreAmongOthers(seed: Int, vectors: Vectors) throws {
        let problem = Problem(seed: seed)
        let whole = try problem.multiplied(using: vectors)
        let (m, n) = (problem.m, problem.n)
        for rows in [0..<m, m / 2..<m / 2 + 1, m / 3..<m] {
            for columns in [0..<n, n / 2..<n / 2 + 1, n / 3..<n] {
                let part = try problem.packed(rows, columns, using: vectors)
                for (r, i) in rows.enumerated() {
                    for (s, j) in columns.enumerated() where part[r * columns.count + s] != whole[i * problem.strideC + j] {
                        Issue.record("(\(i), \(j)) of \(m) x \(problem.k) x \(n), rows \(rows), columns \(columns)")
                        return
                    }
                }
            }
        }
    }

    /// The number of threads is the process's; other tests may change it meanwhile, which changes nothing either.
    @Test(arguments: [1, 2, 3, 7], Vectors.available)
    func threadsDoNotChangeAnElement(threads: Int, vectors: Vectors) throws {
        for seed in 200..<206 {
            let problem = Problem(seed: seed, m: 5 + seed % 3 * 130, k: 130, n: 70 + seed % 2 * 900)
            Arithmetic.use(threads: 1)
            let alone = try (problem.multiplied(using: vectors), problem.packed(0..<problem.m, 0..<problem.n, using: vectors))
            Arithmetic.use(threads: threads)
            defer { Arithmetic.use(threads: 1) }
            let together = try (problem.multiplied(using: vectors), problem.packed(0..<problem.m, 0..<problem.n, using: vectors))
            #expect(alone.0 == together.0 && alone.1 == together.1)
        }
    }

    /// Threads as ranks use products at once, of which one has the pool and the others compute alone.
    @Test func anAbsurdNumberOfThreadsIsSurvived() async throws {
        Arithmetic.use(threads: 100_000)
        defer { Arithmetic.use(threads: 1) }
        #expect((1...256).contains(Arithmetic.threads))
        let problem = Problem(seed: 300, m: 300, k: 200, n: 300)
        let expected = try problem.multiplied(using: .portable)
        try await withThrowingTaskGroup(of: [Float].self) { group in
            for _ in 0..<4 { group.addTask { try problem.multiplied(using: Vectors.available.last!) } }
            for try await result in group { #expect(result == expected) }
        }
    }

    /// Rows of a tile from 1 up, and whole blocks of them.
    @Test(arguments: Vectors.available) func everyNumberOfRows(vectors: Vectors) throws {
        let (k, n) = (19, 70)
        let all = Problem(seed: 7, m: 200, k: k, n: n)
        let whole = try all.packed(0..<200, 0..<n, using: vectors)
        for m in Array(1...40) + [191, 192, 193, 200] {
            #expect(try all.packed(0..<m, 0..<n, using: vectors)[...] == whole[..<(m * n)], "\(m) rows")
        }
    }

    /// Accumulating continues the chain: a product may be cut along k anywhere.
    @Test(arguments: Vectors.available) func accumulatingContinuesTheChain(vectors: Vectors) throws {
        let (m, k, n) = (7, 500, 40)
        let (a, b, c, d) = (Buffer(count: m * k), Buffer(count: k * n), Buffer(count: m * n), Buffer(count: m * n))
        var random = PhiloxSequence(seed: 3, purpose: .corpus)
        for i in a.elements.indices { a.base[i] = Float(random.uniform() - 0.5) }
        for i in b.elements.indices { b.base[i] = Float(random.uniform() - 0.5) }
        func run(_ steps: Range<Int>, into result: Buffer, accumulate: Bool) throws {
            try multiply(
                Matrix(a.base, rows: m, columns: k).columns(steps.lowerBound, count: steps.count), aTransposed: false,
                by: Matrix(b.base, rows: k, columns: n).rows(steps.lowerBound, count: steps.count), bTransposed: false,
                into: Matrix(result.base, rows: m, columns: n), accumulate: accumulate, using: vectors)
        }
        try withExtendedLifetime((a, b, c, d)) {
            try run(0..<k, into: c, accumulate: false)
            for cut in [1, 13, 384, 499] {
                try run(0..<cut, into: d, accumulate: false)
                try run(cut..<k, into: d, accumulate: true)
                #expect(Array(c.elements) == Array(d.elements), "cut at \(cut)")
            }
        }
    }
}
