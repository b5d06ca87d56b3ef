import Files

/// Writes one split of a dataset of numbers, row by row: inputs [N, D], targets [N, K] or labels [N], and where sequences start.
final class ValueWriter {
    private let split: Split
    private let folder: String
    private let inputs: MatrixFile
    private let values: MatrixFile?
    private let labels: IntegerSpool<Int32>
    private let starts: IntegerSpool<Int64>
    private var predictions = 0
    private var longest = 0
    private var isStarting = true
    /// Above every label.
    private(set) var labelCount = 0
    /// Whether each sequence has one label, at its last row.
    private(set) var labelsSequences = true
    private var labelsInSequence = 0
    private var endsWithLabel = false

    /// - Parameters:
    ///   - columns: D.
    ///   - targets: K; nil for labels.
    /// - Throws: `FileError`.
    init(_ split: Split, in folder: String, columns: Int, targets: Int?) throws {
        (self.split, self.folder) = (split, folder)
        inputs = try MatrixFile("\(folder)/\(DatasetManifest.inputsFileName(of: split))", columns: columns)
        values = try targets.map { try MatrixFile("\(folder)/\(DatasetManifest.targetsFileName(of: split))", columns: $0) }
        labels = try IntegerSpool(folder: folder, named: DatasetManifest.targetsFileName(of: split))
        starts = try IntegerSpool(folder: folder, named: DatasetManifest.sequencesFileName(of: split))
    }

    var rows: Int { inputs.rows }

    /// The next row is the first of a sequence.
    func beginSequence() { isStarting = true }

    /// - Parameters:
    ///   - row: D numbers, or NaN in all places.
    ///   - target: K numbers, or NaN in all places.
    /// - Throws: `FileError`, `PrepareError.longSequence`.
    func append(_ row: [Float], target: [Float]) throws {
        try start(row)
        try values!.append(target)
        if !target[0].isNaN { predictions += 1 }
    }

    /// - Parameter label: -1 for none.
    /// - Throws: `FileError`, `PrepareError.longSequence`.
    func append(_ row: [Float], label: Int32) throws {
        try start(row)
        try labels.append(label)
        endsWithLabel = label >= 0
        if label < 0 { return }
        predictions += 1
        labelsInSequence += 1
        labelCount = max(labelCount, Int(label) + 1)
    }

    private func start(_ row: [Float]) throws {
        if isStarting {
            endSequence()
            try starts.append(Int64(inputs.rows))
            lastStart = inputs.rows
            isStarting = false
        }
        guard inputs.rows - lastStart < SequenceParser.longestSequence else { throw PrepareError.longSequence(split, row: inputs.rows) }
        try inputs.append(row)
    }

    private var lastStart = 0

    private func endSequence() {
        if inputs.rows == 0 { return }
        longest = max(longest, inputs.rows - lastStart)
        labelsSequences = labelsSequences && labelsInSequence == 1 && endsWithLabel
        labelsInSequence = 0
    }

    /// Completes the files and makes them durable.
    /// - Returns: what `dataset.json` says of them.
    /// - Throws: `FileError`, `PrepareError`.
    func finish() throws -> DatasetManifest.SplitRecord {
        guard inputs.rows > 0 else { throw PrepareError.emptySplit(split) }
        guard predictions > 0 else { throw PrepareError.noTargets(split) }
        endSequence()
        let inputFile = try inputs.finish()
        let targetFile: DatasetManifest.FileRecord
        if let values {
            targetFile = try values.finish()
        } else {
            let writer = try ArrayFileWriter("\(folder)/\(DatasetManifest.targetsFileName(of: split))", .signed32, count: labels.count)
            try labels.forEachBlock { try writer.write(UnsafeBufferPointer($0)) }
            let (bytes, sha256) = try writer.finish()
            targetFile = .init(bytes: bytes, sha256: sha256)
        }
        let places = try ArrayFileWriter("\(folder)/\(DatasetManifest.sequencesFileName(of: split))", .signed64, count: starts.count)
        try starts.forEachBlock { try places.write(UnsafeBufferPointer($0)) }
        let (bytes, sha256) = try places.finish()
        var record = DatasetManifest.SplitRecord(tokens: inputs.rows, unknown: 0, bytes: inputFile.bytes, sha256: inputFile.sha256)
        record.sequences = DatasetManifest.SequencesRecord(
            count: starts.count, longest: longest, predictions: predictions, targets: targetFile, starts: .init(bytes: bytes, sha256: sha256))
        return record
    }
}

/// A `.npy` file of numbers in single precision whose rows are counted while they are written.
private final class MatrixFile {
    private let file: File
    private let columns: Int
    private var buffer: [Float] = []
    private(set) var rows = 0

    init(_ path: String, columns: Int) throws {
        self.columns = columns
        file = try File.open(path, .createNew)
        try writeHeader()
    }

    private func writeHeader() throws {
        try ArrayHeader.encoded(.float32, count: rows, columns: columns).withUnsafeBytes { try file.write($0) }
    }

    func append(_ row: [Float]) throws {
        precondition(row.count == columns)
        buffer += row
        rows += 1
        if buffer.count >= 1 << 16 { try flush() }
    }

    private func flush() throws {
        try buffer.withUnsafeBytes { try file.write($0) }
        buffer.removeAll(keepingCapacity: true)
    }

    func finish() throws -> DatasetManifest.FileRecord {
        try flush()
        try file.seek(to: 0)
        try writeHeader()
        try file.sync()
        let bytes = try file.size()
        try file.close()
        return .init(bytes: bytes, sha256: try Digest.sha256(ofFile: file.path))
    }
}
