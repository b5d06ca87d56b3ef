import Corpus
import Recurrent

/// Reads sequences side by side, padded at their ends, each from the zero state.
final class SequenceBatchReader {
    let predictor: RecurrentPredictor
    /// B: the sequences that there is room for.
    let width: Int
    /// T: the steps that there is room for.
    let longest: Int
    private var batch = 0
    private var steps = 0
    private var inputs: [Int32]  // [T, B]
    private var targets: [Int32]  // [T, B]
    private var starts: [Int32]  // [T, B]

    /// - Parameters:
    ///   - model: its parameters are read.
    ///   - steps: of the longest sequence.
    /// - Throws: `KernelError`.
    init(_ model: RecurrentPredictor, width: Int, steps: Int) throws {
        predictor = model.readingSequences
        self.width = width
        longest = steps
        try predictor.reserve(streams: width, steps: steps)
        inputs = Array(repeating: 0, count: width * steps)
        (targets, starts) = (inputs, inputs)
    }

    /// The reader of a predictor that reads groups of any size: made when it is needed, and again for a larger one.
    /// - Throws: `KernelError`.
    static func room(in reader: inout SequenceBatchReader?, for model: RecurrentPredictor, width: Int, steps: Int) throws -> SequenceBatchReader {
        if let reader, reader.width >= width, reader.longest >= steps { return reader }
        let made = try SequenceBatchReader(model, width: max(width, reader?.width ?? 0), steps: max(steps, reader?.longest ?? 0))
        reader = made
        return made
    }

    /// - Parameters:
    ///   - lengths: of at most `width` sequences.
    ///   - fill: writes a sequence's inputs and targets to `inputs[0]`, `inputs[stride]`, ...
    /// - Throws: `KernelError`.
    func read(
        _ lengths: [Int],
        _ fill: (_ index: Int, _ inputs: UnsafeMutablePointer<Int32>, _ targets: UnsafeMutablePointer<Int32>, _ stride: Int) throws -> Void
    ) throws {
        (batch, steps) = (lengths.count, lengths.max() ?? 0)
        precondition(1...width ~= batch && 1...longest ~= steps)
        for (column, length) in lengths.enumerated() {
            try inputs.withUnsafeMutableBufferPointer { inputs in
                try targets.withUnsafeMutableBufferPointer { targets in
                    try starts.withUnsafeMutableBufferPointer { starts in
                        let (x, y) = (inputs.baseAddress! + column, targets.baseAddress! + column)
                        try fill(column, x, y, batch)
                        SequenceStore.pad(length, to: steps, inputs: x, targets: y, starts: starts.baseAddress! + column, stride: batch)
                    }
                }
            }
        }
        predictor.reset(streams: batch)
        try predictor.read(inputs, steps: steps, starts: starts)
    }

    func target(_ column: Int, _ step: Int) -> Int32 { targets[step * batch + column] }

    /// - Parameter each: called with each target's sequence, step and loss, in order of time.
    func losses(_ each: (_ column: Int, _ step: Int, _ nats: Double) -> Void) throws {
        try predictor.losses(of: targets) { row, nats in each(row % batch, row / batch, nats) }
    }

    /// - Parameter each: called with each target's sequence, step and logits, in order of time.
    func predictions(_ each: (_ column: Int, _ step: Int, _ logits: UnsafeMutableBufferPointer<Float>) throws -> Void) throws {
        try predictor.predictions(targets) { row, logits in try each(row % batch, row / batch, logits) }
    }
}
