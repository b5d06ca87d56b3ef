import Foundation
import Kernels
import Randomness
import Testing

/// The sums of a softmax have the order of docs/exactness.md, with every instruction set: by brute force, to the bit.
@Suite struct SoftmaxOrderTests {
    private struct Row {
        var logits: [Float]
        let bias: [Float]
        var gradient: [Float]
        let target: Int

        init(count: Int) {
            var random = PhiloxSequence(seed: UInt64(count), purpose: .corpus)
            logits = (0..<count).map { _ in Float(random.uniform() * 20 - 10) }
            bias = (0..<count).map { _ in Float(random.uniform() * 2 - 1) }
            gradient = (0..<count).map { _ in Float(random.uniform()) }
            target = count / 2
        }

        /// The definition, one value after the other.
        mutating func differentiate() -> (loss: Double, exact: Double) {
            let biased = zip(logits, bias).map { $0 + $1 }
            let largest = biased.max()!
            var sum = 0.0
            for start in stride(from: 0, to: biased.count, by: 1024) {
                let block = biased[start..<min(start + 1024, biased.count)].map { exponential(Lanes(repeating: $0 - largest))[0] }
                let whole = block.count / 16 * 16
                var partial = [Float](repeating: 0, count: 16)
                for i in 0..<whole { partial[i % 16] += block[i] }
                for half in [8, 4, 2, 1] { for i in 0..<half { partial[i] += partial[i + half] } }
                sum += Double(partial[0])
                for value in block[whole...] { sum += Double(value) }
            }
            let scale = 1 / Float(sum)
            let (chosen, exact) = (biased[target], log(biased.reduce(0) { $0 + exp(Double($1)) }) - Double(biased[target]))
            for i in biased.indices {
                let e = exponential(Lanes(repeating: biased[i] - largest))[0]
                logits[i] = (i == target ? e - Float(sum) : e) * scale
                gradient[i] += logits[i]
            }
            // The logarithm is correct to far more than these digits.
            return (log(sum) - Double(chosen - largest), exact)
        }
    }

    @Test(arguments: [1, 7, 8, 15, 16, 17, 57, 63, 64, 65, 100, 1023, 1024, 1025, 1039, 2100])
    func everyInstructionSetSumsInTheSameOrder(count: Int) {
        var definition = Row(count: count)
        let (loss, exact) = definition.differentiate()
        #expect(abs(loss - exact) < 1e-5)
        for vectors in Vectors.available {
            let row = Row(count: count)
            // One more, which must not change.
            let (logits, bias, gradient) = (buffer(row.logits + [5]), buffer(row.bias), buffer(row.gradient + [5]))
            let found = crossEntropyGradient(
                logits.base, bias: bias.base, biasGradient: gradient.base, count: count, target: row.target, using: vectors)
            #expect(abs(found - loss) < 1e-13 * max(1, abs(loss)))
            #expect(logits.elements.map(\.bitPattern) == (definition.logits + [5]).map(\.bitPattern), "\(vectors)")
            #expect(gradient.elements.map(\.bitPattern) == (definition.gradient + [5]).map(\.bitPattern), "\(vectors)")

            let again = buffer(row.logits)
            let alone = crossEntropy(again.base, bias: bias.base, count: count, target: row.target, using: vectors)
            #expect(alone.bitPattern == found.bitPattern)

            let probabilities = buffer(row.logits)
            softmax(probabilities.base, count: count, using: vectors)
            #expect(abs(probabilities.elements.reduce(0) { $0 + Double($1) } - 1) < 1e-5)
        }
    }

    /// A NaN anywhere reaches the loss.
    @Test(arguments: [0, 20, 56]) func aNaNIsSeen(place: Int) {
        for vectors in Vectors.available {
            let row = Row(count: 57)
            let (logits, bias) = (buffer(row.logits), buffer(row.bias))
            logits.base[place] = .nan
            #expect(crossEntropy(logits.base, bias: bias.base, count: 57, target: 3, using: vectors).isNaN)
        }
    }

    private func buffer(_ values: [Float]) -> Buffer {
        let buffer = Buffer(count: values.count)
        for (i, value) in values.enumerated() { buffer.base[i] = value }
        return buffer
    }
}
