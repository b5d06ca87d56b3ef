import Foundation
import Glibc
import Kernels
import Randomness
import Testing

private func randomBuffer(_ count: Int, seed: UInt64, scale: Double = 1) -> Buffer {
    let buffer = Buffer(count: count)
    var random = PhiloxSequence(seed: seed, purpose: .corpus)
    for i in 0..<count { buffer.base[i] = Float((random.uniform() * 2 - 1) * scale) }
    return buffer
}

@Suite struct LanesTests {
    /// Relative error against the C library's double-precision function, over the whole useful range.
    @Test func elementaryFunctionsAreAccurate() {
        var worst = (exp: 0.0, sigmoid: 0.0, tanh: 0.0)
        for i in stride(from: -87_000, through: 88_000, by: 7) {
            let x = Float(i) / 1000
            let lanes = Lanes(repeating: x)
            let e = Glibc.exp(Double(x))
            worst.exp = max(worst.exp, abs(Double(exponential(lanes)[3]) - e) / e)
            let s = 1 / (1 + Glibc.exp(-Double(x)))
            worst.sigmoid = max(worst.sigmoid, abs(Double(logistic(lanes)[3]) - s) / s)
            let small = x / 10
            let t = Glibc.tanh(Double(small))
            if t != 0 { worst.tanh = max(worst.tanh, abs(Double(hyperbolicTangent(Lanes(repeating: small))[3]) - t) / abs(t)) }
        }
        #expect(worst.exp < 2.5e-7)
        #expect(worst.sigmoid < 3.5e-7)
        #expect(worst.tanh < 3.5e-7)
    }

    @Test func extremesStayFiniteAndNaNSurvives() {
        let x = Lanes(-1e30, 1e30, -0.0, 0, .nan, -.infinity, .infinity, 1e-30)
        #expect(exponential(x)[0] < 2e-38)
        #expect(exponential(x)[1] > 1e38 && exponential(x)[1].isFinite)
        #expect(exponential(x)[3] == 1)
        #expect(exponential(x)[4].isNaN && logistic(x)[4].isNaN && hyperbolicTangent(x)[4].isNaN)
        #expect(logistic(x)[5] < 1e-37 && logistic(x)[6] == 1)
        #expect(hyperbolicTangent(x)[5] == -1 && hyperbolicTangent(x)[6] == 1)
        #expect(hyperbolicTangent(x)[7] == 1e-30)
    }

    @Test func squareRootIsAccurateFromTheSmallestToTheLargest() {
        #expect(squareRoot(Lanes.zero) == Lanes.zero)
        var worst = 0.0
        for exponent in -125...127 {
            for mantissa in stride(from: Float(1), to: 2, by: 0.037) {
                let x = mantissa * Float(sign: .plus, exponent: exponent, significand: 1)
                let root = Double(x).squareRoot()
                worst = max(worst, abs(Double(squareRoot(Lanes(repeating: x))[0]) - root) / root)
            }
        }
        #expect(worst < 1.2e-7)
    }

    /// Every length round a multiple of eight; nothing outside the range is touched.
    @Test(arguments: 0...25) func partialVectorsCoverEachElementOnce(count: Int) {
        let buffer = Buffer(count: count + 2)
        for (offset, lanes) in LaneBlocks(count) {
            (buffer.base + 1).store((buffer.base + 1).load(offset) + 1, offset, lanes)
        }
        #expect(Array(buffer.elements) == [0] + [Float](repeating: 1, count: count) + [0])
    }
}

@Suite struct ProductTests {
    static let shapes = [(1, 1, 1), (3, 5, 7), (10, 13, 29), (17, 40, 8), (64, 33, 65)]

    private func reference(_ a: (Int, Int) -> Float, _ b: (Int, Int) -> Float, _ m: Int, _ k: Int, _ n: Int) -> [Double] {
        (0..<m * n).map { index in
            (0..<k).reduce(0.0) { $0 + Double(a(index / n, $1)) * Double(b($1, index % n)) }
        }
    }

    @Test(arguments: shapes, [(false, false), (false, true), (true, false), (true, true)])
    func multiplyMatchesTheDefinition(shape: (Int, Int, Int), transposed: (Bool, Bool)) throws {
        let (m, k, n) = shape
        let a = randomBuffer(m * k, seed: 1)
        let b = randomBuffer(k * n, seed: 2)
        let c = randomBuffer(m * n, seed: 3)
        let before = Array(c.elements)
        let expected = reference(
            { transposed.0 ? a.base[$1 * m + $0] : a.base[$0 * k + $1] },
            { transposed.1 ? b.base[$1 * k + $0] : b.base[$0 * n + $1] }, m, k, n)
        let am = transposed.0 ? Matrix(a.base, rows: k, columns: m) : Matrix(a.base, rows: m, columns: k)
        let bm = transposed.1 ? Matrix(b.base, rows: n, columns: k) : Matrix(b.base, rows: k, columns: n)
        let cm = Matrix(c.base, rows: m, columns: n)
        try multiply(am, aTransposed: transposed.0, by: bm, bTransposed: transposed.1, into: cm, accumulate: true)
        for i in 0..<m * n { #expect(abs(Double(c.base[i]) - expected[i] - Double(before[i])) < 1e-5) }
        try multiply(am, aTransposed: transposed.0, by: bm, bTransposed: transposed.1, into: cm)
        for i in 0..<m * n { #expect(abs(Double(c.base[i]) - expected[i]) < 1e-5) }
    }

    @Test(arguments: shapes, [(false, false), (false, true), (true, false), (true, true)])
    func packedProductMatchesTheDefinition(shape: (Int, Int, Int), options: (transposed: Bool, accumulate: Bool)) throws {
        let (m, k, n) = shape
        let (strideA, strideC) = (k + 3, n + 5)
        let a = randomBuffer(m * strideA, seed: 4)
        let w = randomBuffer(k * n, seed: 5)
        let c = randomBuffer(m * strideC, seed: 6)
        let before = Array(c.elements)
        let expected = reference(
            { a.base[$0 * strideA + $1] }, { options.transposed ? w.base[$1 * k + $0] : w.base[$0 * n + $1] }, m, k, n)
        let product = try PackedProduct(
            rows: m, inputs: k, outputs: n, inputStride: strideA, outputStride: strideC,
            transposed: options.transposed, accumulate: options.accumulate)
        product.pack(w.base)
        w.fill(.nan)  // the packed copy alone must serve
        try product.run(a.base, into: c.base)
        for i in 0..<m {
            for j in 0..<strideC {
                let was = Double(before[i * strideC + j])
                let want = j < n ? expected[i * n + j] + (options.accumulate ? was : 0) : was
                #expect(abs(Double(c.base[i * strideC + j]) - want) < 1e-5)
            }
        }
    }

    @Test(arguments: shapes, [true, false])
    func packedProductTakesFewerRows(shape: (Int, Int, Int), transposed: Bool) throws {
        let (m, k, n) = shape
        let a = randomBuffer(m * k, seed: 7)
        let w = randomBuffer(k * n, seed: 8)
        let product = try PackedProduct(rows: m, inputs: k, outputs: n, transposed: transposed, accumulate: false)
        product.pack(w.base)
        let all = Buffer(count: m * n)
        try product.run(a.base, into: all.base)
        for rows in Set([1, (m + 1) / 2, max(1, m - 1)]) {
            for _ in 0..<2 {
                let some = Buffer(count: m * n)
                some.fill(7)
                try product.run(a.base, into: some.base, rows: rows)
                for i in 0..<rows * n { #expect(some.base[i] == all.base[i]) }
                for i in rows * n..<m * n { #expect(some.base[i] == 7) }
            }
        }
    }
}

@Suite struct CrossEntropyTests {
    @Test(arguments: [1, 2, 7, 8, 65, 1000, 4099]) func gradientIsSoftmaxMinusOneHot(count: Int) {
        let logits = randomBuffer(count, seed: UInt64(count), scale: 20)
        let bias = randomBuffer(count, seed: 1, scale: 5)
        let biasGradient = Buffer(count: count)
        biasGradient.fill(2)
        let target = count / 2
        let values = zip(logits.elements, bias.elements).map { Double($0 + $1) }
        let largest = values.max()!
        let total = values.reduce(0) { $0 + exp($1 - largest) }
        let copy = Buffer(count: count)
        copy.base.update(from: logits.base, count: count)
        let loss = log(total) + largest - values[target]
        #expect(abs(crossEntropy(copy.base, bias: bias.base, count: count, target: target) - loss) < 2e-6 * max(1, loss))
        let again = crossEntropyGradient(
            logits.base, bias: bias.base, biasGradient: biasGradient.base, count: count, target: target)
        #expect(abs(again - loss) < 2e-6 * max(1, loss))
        for j in 0..<count {
            let want = exp(values[j] - largest) / total - (j == target ? 1 : 0)
            #expect(abs(Double(logits.base[j]) - want) < 1e-6)
            #expect(abs(Double(biasGradient.base[j]) - 2 - want) < 1e-6)
        }
    }

    @Test func hugeLogitsDoNotOverflowAndNaNIsReported() {
        let logits = Buffer(count: 9)
        logits.fill(-3e38)
        logits.base[8] = 3e38
        let none = Buffer(count: 9)
        let gradient = Buffer(count: 9)
        #expect(crossEntropyGradient(logits.base, bias: none.base, biasGradient: gradient.base, count: 9, target: 8) == 0)
        logits.fill(1)
        logits.base[3] = .nan
        #expect(crossEntropy(logits.base, bias: none.base, count: 9, target: 8).isNaN)
    }
}

@Suite struct ReductionTests {
    @Test(arguments: [0, 1, 9, 511, 512, 513, 100_003]) func sumOfSquaresMatches(count: Int) {
        let values = randomBuffer(count, seed: 11)
        let expected = values.elements.reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(abs(sumOfSquares(values.base, count: count) - expected) <= 1e-6 * expected)
        if count > 0 {
            values.base[count - 1] = .nan
            #expect(sumOfSquares(values.base, count: count).isNaN)
        }
    }

    @Test(arguments: [(1, 1), (5, 3), (7, 300)]) func sumRowsMatches(rows: Int, columns: Int) {
        let values = randomBuffer(rows * (columns + 2), seed: 12)
        let sums = Buffer(count: columns)
        sums.fill(99)
        sumRows(Matrix(values.base, rows: rows, columns: columns, stride: columns + 2), into: sums.base)
        for j in 0..<columns {
            let expected = (0..<rows).reduce(0.0) { $0 + Double(values.base[$1 * (columns + 2) + j]) }
            #expect(abs(Double(sums.base[j]) - expected) < 1e-5)
        }
    }
}

@Suite struct DropoutTests {
    @Test(arguments: [false, true], [1, 8, 63, 75, 128, 200])
    func maskIsAPureFunctionOfItsKeyAndMatchesTheScalarGenerator(isLocked: Bool, width: Int) {
        for vectors in Vectors.available { compare(isLocked: isLocked, width: width, vectors) }
    }

    private func compare(isLocked: Bool, width: Int, _ vectors: Vectors) {
        let (time, batch) = (3, 4)
        let ones = Buffer(count: time * batch * width)
        ones.fill(1)
        let masked = Buffer(count: ones.count)
        let dropout = Dropout(rate: 0.3, isLocked: isLocked, seed: 5, step: 17)
        dropout.apply(
            Matrix(ones.base, rows: time * batch, columns: width), into: Matrix(masked.base, rows: time * batch, columns: width),
            site: 2, batch: batch, firstStream: 6, using: vectors)
        for t in 0..<time {
            for b in 0..<batch {
                for j in 0..<width {
                    #expect(
                        masked.base[(t * batch + b) * width + j]
                            == dropout.multiplier(site: 2, stream: 6 + b, time: t, column: j))
                }
            }
        }
        // By time: the same masks for all, or one for each; by stream always one for each.
        let block = batch * width
        let masks = (0..<time).map { t in masked.elements[t * block..<(t + 1) * block].map { $0 } }
        if width < 63 { return }  // too few to differ for certain
        #expect(Set(masks).count == (isLocked ? 1 : time))
        #expect(Set((0..<batch).map { Array(masks[0][$0 * width..<($0 + 1) * width]) }).count == batch)
    }

    @Test func rateIsMetAndKeysDiffer() {
        let (rows, width) = (100, 1000)
        let values = Buffer(count: rows * width)
        func dropped(site: Int, step: Int) -> [Bool] {
            values.fill(1)
            let matrix = Matrix(values.base, rows: rows, columns: width)
            Dropout(rate: 0.25, seed: 1, step: step).apply(matrix, into: matrix, site: site, batch: 10, firstStream: 0)
            return values.elements.map { $0 == 0 }
        }
        let first = dropped(site: 0, step: 1)
        let share = Double(first.count(where: { $0 })) / Double(first.count)
        #expect(abs(share - 0.25) < 0.005)
        for other in [dropped(site: 1, step: 1), dropped(site: 0, step: 2)] {
            let both = Double(zip(first, other).count(where: { $0 && $1 })) / Double(first.count)
            #expect(abs(both - 0.0625) < 0.003)
        }
    }
}

@Suite struct ArithmeticTests {
    /// They are hundreds of times as slow as other numbers, and mean nothing here: neither results nor operands.
    @Test func denormalsAreFlushedToZero() {
        @Sendable func halves(of value: Float) -> [Float] {
            let buffer = Buffer(count: 64)
            let half = Buffer(count: 64)
            for i in 0..<64 {
                buffer.base[i] = value
                half.base[i] = 0.5
            }
            return (0..<64).map { buffer.base[$0] * half.base[$0] }
        }
        // The setting belongs to a thread; this one ends with it.
        final class Found: @unchecked Sendable { var (before, after): ([Float], [Float]) = ([], []) }
        let found = Found()
        let done = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            found.before = halves(of: .leastNormalMagnitude) + halves(of: .leastNormalMagnitude / 2)
            try? Arithmetic.prepare(threads: 1)
            found.after = halves(of: .leastNormalMagnitude) + halves(of: Float(bitPattern: 1 << 22))
            done.signal()
        }
        done.wait()
        #expect(found.before.allSatisfy { $0.bitPattern != 0 })
        #expect(found.after.allSatisfy { $0.bitPattern == 0 })
    }
}
