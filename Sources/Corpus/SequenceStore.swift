import Diagnostics

/// Sequences of tokens with a target for each: those of a dataset that has targets of its own, or the lines of a text, in which each
/// token is predicted from those before it.
///
/// Unchecked because of what it maps, which never changes.
package final class SequenceStore: @unchecked Sendable {
    package let tokens: TokenStore
    /// Nil for next tokens.
    private let targets: SequenceTargets?
    private let starts: Starts
    /// Of next tokens: the token that is read before each sequence, and is the last to be predicted.
    private let frame: Int32?
    /// Steps of the longest.
    package let longest: Int
    /// Targets of all sequences.
    package let predictions: Int

    private enum Starts {
        case mapped(MappedIntegers<Int64>)
        /// Of lines, with the place after the last line's end.
        case lines([Int])
    }

    /// The lines of a text.
    /// - Parameter lineEnd: the token that ends them.
    package init(linesOf tokens: TokenStore, lineEnd: Int32) {
        self.tokens = tokens
        targets = nil
        frame = lineEnd
        var starts = [0]
        var longest = 0
        let block = 1 << 16
        for first in stride(from: 0, to: tokens.count, by: block) {
            let part = tokens.tokens(in: first..<min(first + block, tokens.count))
            for (index, token) in part.enumerated() where token == lineEnd { starts.append(first + index + 1) }
        }
        // The last line may lack its end.
        if starts.last != tokens.count { starts.append(tokens.count + 1) }
        for (start, next) in zip(starts, starts.dropFirst()) { longest = max(longest, next - start) }
        self.starts = .lines(starts)
        self.longest = longest
        predictions = starts.last! - starts[0]
    }

    /// The sequences of a dataset.
    /// - Parameter lineEnd: nil for the dataset's own targets; else the sequences' next tokens are predicted.
    init(
        tokens: TokenStore, targets: SequenceTargets, starts: MappedIntegers<Int64>, longest: Int, predictions: Int, lineEnd: Int32?
    ) {
        self.tokens = tokens
        self.targets = lineEnd == nil ? targets : nil
        self.starts = .mapped(starts)
        frame = lineEnd
        self.longest = lineEnd == nil ? longest : longest + 1
        self.predictions = lineEnd == nil ? predictions : tokens.count + starts.count
    }

    /// The rows that inputs and targets are numbers of; nil for tokens and labels.
    package var inputValues: ValueFile? { tokens.values }
    package var targetValues: ValueFile? { if case .values(let file) = targets { file } else { nil } }

    /// Whether targets are the next tokens of the sequences, each of which ends with the end of a line.
    package var predictsNext: Bool { targets == nil }

    /// The number of sequences.
    package var count: Int {
        switch starts {
        case .mapped(let starts): starts.count
        case .lines(let starts): starts.count - 1
        }
    }

    /// Its tokens, without those that frame it.
    private func range(_ index: Int) -> Range<Int> {
        switch starts {
        case .mapped(let starts): Int(starts[index])..<(index + 1 < starts.count ? Int(starts[index + 1]) : tokens.count)
        case .lines(let starts): starts[index]..<starts[index + 1] - 1
        }
    }

    /// Steps of a sequence.
    package func length(of index: Int) -> Int { range(index).count + (frame == nil ? 0 : 1) }

    /// Fills up a sequence of `length` steps to `steps`, beside others in a batch, and marks where a state is zero: at its first step,
    /// and at each of its padding, so that nothing builds up there. All three at `[0]`, `[stride]`, ...
    package static func pad(
        _ length: Int, to steps: Int, inputs: UnsafeMutablePointer<Int32>, targets: UnsafeMutablePointer<Int32>,
        starts: UnsafeMutablePointer<Int32>, stride: Int
    ) {
        for t in 0..<steps {
            starts[t * stride] = t == 0 || t >= length ? 1 : 0
            if t < length { continue }
            inputs[t * stride] = 0
            targets[t * stride] = ChunkIterator.noTarget
        }
    }

    /// Writes a sequence's inputs and targets to `inputs[0]`, `inputs[stride]`, ...; a target is -1 where nothing is predicted.
    package func copy(
        _ index: Int, inputs: UnsafeMutablePointer<Int32>, targets: UnsafeMutablePointer<Int32>, stride: Int
    ) {
        let range = range(index)
        guard let frame else {
            tokens.copy(from: range.lowerBound, count: range.count, to: inputs, stride: stride)
            for (step, place) in range.enumerated() { targets[step * stride] = self.targets![place] }
            return
        }
        inputs[0] = frame
        tokens.copy(from: range.lowerBound, count: range.count, to: inputs + stride, stride: stride)
        tokens.copy(from: range.lowerBound, count: range.count, to: targets, stride: stride)
        targets[range.count * stride] = frame
    }

    /// A sequence's tokens, without those that frame it.
    package func tokens(of index: Int) -> [Int32] { tokens.tokens(in: range(index)) }

    /// Checks that the files are unchanged, before anything learned from them is saved.
    /// - Parameter hashes: SHA-256 by file name; files that are not there are not checked.
    /// - Throws: `FileChanged`, `FileError`.
    package func check(_ hashes: [String: String], _ split: Split) throws {
        let read = tokens.values == nil ? DatasetManifest.fileName(of: split) : DatasetManifest.inputsFileName(of: split)
        if let hash = hashes[read] { try tokens.check(hash: hash) }
        if let hash = hashes[DatasetManifest.targetsFileName(of: split)] { try targets?.check(hash: hash) }
        if let hash = hashes[DatasetManifest.sequencesFileName(of: split)], case .mapped(let starts) = starts { try starts.check(hash: hash) }
    }
}

/// The targets of a split, one for each token or row: ids of labels or tokens, or numbers of rows of values; -1 for none.
enum SequenceTargets: Sendable {
    case ids(MappedIntegers<Int32>)
    case values(ValueFile)

    var path: String {
        switch self {
        case .ids(let file): file.path
        case .values(let file): file.path
        }
    }

    var count: Int {
        switch self {
        case .ids(let file): file.count
        case .values(let file): file.rows
        }
    }

    var fileSize: Int {
        switch self {
        case .ids(let file): file.fileSize
        case .values(let file): file.fileSize
        }
    }

    @inline(__always) subscript(place: Int) -> Int32 {
        switch self {
        case .ids(let file): file[place]
        case .values(let file): file.isAbsent(place) ? -1 : Int32(place)
        }
    }

    func check(hash: String) throws {
        switch self {
        case .ids(let file): try file.check(hash: hash)
        case .values(let file): try file.check(hash: hash)
        }
    }
}

/// The files that give a split its sequences and targets, shown to fit each other.
struct SequenceFiles: Sendable {
    let targets: SequenceTargets
    let starts: MappedIntegers<Int64>

    /// - Parameter areValues: whether targets are numbers.
    init(_ split: Split, in folder: String, areValues: Bool) throws {
        let path = "\(folder)/\(DatasetManifest.targetsFileName(of: split))"
        targets = areValues ? .values(try ValueFile(contentsOf: path)) : .ids(try MappedIntegers(contentsOf: path, .signed32))
        starts = try MappedIntegers(contentsOf: "\(folder)/\(DatasetManifest.sequencesFileName(of: split))", .signed64)
    }

    /// Reads all of both.
    /// - Parameters:
    ///   - tokens: their number.
    ///   - outputs: targets are below it.
    /// - Throws: `SequenceFileError`.
    func validate(_ record: DatasetManifest.SequencesRecord, tokens: Int, task: SequenceTask, outputs: Int) throws {
        func require(_ isSound: Bool, _ file: String, _ index: Int, _ problem: String, _ expected: String, _ found: String) throws {
            if !isSound { throw SequenceFileError(file: file, index: index, problem: problem, expected: expected, found: found) }
        }
        try require(targets.count == tokens, targets.path, 0, "targets are not as many as tokens", "\(tokens)", "\(targets.count)")
        try require(starts.count > 0 && starts[0] == 0, starts.path, 0, "the first sequence does not start at the first token", "0", starts.count > 0 ? "\(starts[0])" : "no sequences")
        var (longest, predictions, next) = (0, 0, 1)
        for index in 0..<starts.count {
            let (start, end) = (starts[index], index + 1 < starts.count ? starts[index + 1] : Int64(tokens))
            try require(start < end && end <= Int64(tokens), starts.path, index, "a sequence without tokens, or beyond them", "a start below \(tokens), each above the one before", "\(start), then \(end)")
            longest = max(longest, Int(end - start))
            next = Int(end)
            guard task == .label else { continue }
            for place in Int(start)..<Int(end) {
                try require((targets[place] >= 0) == (place == next - 1), targets.path, place, "a label that is not that of a sequence's last token", place == next - 1 ? "a label" : "-1", "\(targets[place])")
            }
        }
        if case .values(let file) = targets { try file.validate() }
        for place in 0..<targets.count {
            let target = targets[place]
            try require(target >= -1 && Int(target) < outputs, targets.path, place, "a target that is no label", "-1 to \(outputs - 1)", "\(target)")
            predictions += target >= 0 ? 1 : 0
        }
        for (what, stated, found) in [
            ("sequences", record.count, starts.count), ("longest sequence", record.longest, longest), ("predictions", record.predictions, predictions),
        ] where stated != found {
            throw DatasetError.disagrees(file: starts.path, quantity: "number of \(what)", stated: "\(stated)", found: "\(found)")
        }
        try require(predictions > 0, targets.path, 0, "no targets at all", "at least one", "0")
    }
}

/// A file of targets or of sequences that does not fit the others of its dataset.
package struct SequenceFileError: DiagnosedError, Equatable {
    package let file: String
    /// Of the element.
    package let index: Int
    let problem: String
    let expected: String
    let found: String

    package var kind: FailureKind { .data }
    package var diagnosis: Diagnosis {
        Diagnosis(problem, file: file, location: "element \(index)", expected: expected, found: found, remedy: "prepare the data again")
    }
}
