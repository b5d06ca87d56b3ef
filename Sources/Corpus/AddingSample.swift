import Diagnostics
import Randomness

/// The adding problem (Hochreiter and Schmidhuber 1997; as in Le, Jaitly and Hinton 2015): each step has a number drawn uniformly from
/// [0, 1) and a mark, which is 1 at two steps, one in each half of the sequence, and 0 elsewhere. The target of the last
/// step is the sum of the two marked numbers. Predicting 1 every time has a mean squared error of 1/6.
///
/// The same bytes for the same seed on every machine.
package struct AddingSample: Sendable {
    package static let permittedCount = 10...1_000_000
    package static let permittedLength = 2...10_000

    package let count: Int
    /// T.
    package let length: Int
    private let seed: UInt64

    /// - Throws: `AddingError`.
    package init(sequences count: Int = 20_000, length: Int = 100, seed: UInt64 = 1) throws {
        guard AddingSample.permittedCount ~= count else {
            throw AddingError(option: "--problems", permitted: AddingSample.permittedCount, found: count)
        }
        guard AddingSample.permittedLength ~= length else {
            throw AddingError(option: "--length", permitted: AddingSample.permittedLength, found: length)
        }
        (self.count, self.length, self.seed) = (count, length, seed)
    }

    /// The sequences of each split: of ten in a row, eight are for training, one for validation, and one for test.
    private func sequences(of split: Split) -> [Int] {
        (0..<count).filter { index in
            switch index % 10 {
            case 8: split == .valid
            case 9: split == .test
            default: split == .train
            }
        }
    }

    func write(_ split: Split, to writer: ValueWriter) throws {
        let half = length / 2
        for index in sequences(of: split) {
            var random = PhiloxSequence(seed: seed, purpose: .corpus, stream: UInt64(index))
            let marked = [Int(random.uniform() * Double(half)), half + Int(random.uniform() * Double(length - half))]
            var sum: Float = 0
            writer.beginSequence()
            for step in 0..<length {
                let number = Float(random.uniform())
                let isMarked = marked.contains(step)
                if isMarked { sum += number }
                try writer.append([number, isMarked ? 1 : 0], target: step == length - 1 ? [sum] : [.nan])
            }
        }
    }
}

/// An adding problem that cannot be generated.
package struct AddingError: DiagnosedError, Equatable {
    let option: String
    let permitted: ClosedRange<Int>
    let found: Int

    package var kind: FailureKind { .usage }
    package var diagnosis: Diagnosis {
        Diagnosis(
            "cannot generate the adding problem like this", location: option, expected: "\(permitted.lowerBound) to \(permitted.upperBound)",
            found: "\(found)")
    }
}
