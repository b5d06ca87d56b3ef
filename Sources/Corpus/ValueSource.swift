import Diagnostics
import Files

/// Numbers on their way into a dataset: a folder with `train.csv`, or `train.inputs.npy` and `train.targets.npy`, and the same for valid
/// and test as far as they are there.
///
/// CSV: a row a line, inputs first and targets behind them, with blank lines between sequences; a first line without a number is a heading.
/// An empty cell, `nan` or `NA` is no number. Arrays: [rows, D], or [sequences, T, D]; targets are numbers [rows, K] or whole numbers [rows],
/// which are labels; with three dimensions of inputs [sequences, T, K] or [sequences, T], or one for each sequence, at its last step. For
/// [rows, D], `train.sequences.npy` may hold the first row of each sequence.
package struct ValueSource {
    let shape: DatasetManifest.ValuesRecord
    let splits: [Split]
    let files: [String]
    private let folder: String
    private let isCSV: Bool
    /// Rows of a sequence, where the source does not say; nil for as many as there are.
    private let length: Int?

    /// - Parameters:
    ///   - targets: columns of a CSV file that are targets, the last ones.
    ///   - length: cuts what is not divided into sequences; the last of a part may be shorter.
    /// - Throws: `FileError`, `ArrayFileError`, `ValueFileError`.
    package init(folder: String, targets: Int, length: Int?) throws {
        (self.folder, self.length) = (Folder.withoutSlash(folder), length)
        let names = Set(try Folder.names(in: self.folder))
        isCSV = names.contains("train.csv")
        guard isCSV || names.contains("train.inputs.npy") else {
            throw ValueFileError(
                file: self.folder, place: "the folder", problem: "no numbers to train on", expected: "train.csv, or train.inputs.npy and train.targets.npy",
                found: names.sorted().prefix(5).joined(separator: ", "), remedy: "name the folder that has them")
        }
        let (isCSV, place) = (isCSV, self.folder)
        splits = Split.allCases.filter { names.contains(isCSV ? "\($0.rawValue).csv" : "\($0.rawValue).inputs.npy") }
        files = splits.flatMap { split in
            (isCSV ? [".csv"] : [".inputs.npy", ".targets.npy", ".sequences.npy"]).map { "\(split.rawValue)\($0)" }
        }.filter(names.contains).map { "\(place)/\($0)" }
        if isCSV {
            let columns = try CSVRows(files[0]).columns
            guard columns > targets else {
                throw ValueFileError(
                    file: files[0], place: "line 1", problem: "too few columns", expected: "inputs, and behind them \(targets) of targets",
                    found: "\(columns)", remedy: "set --targets to the number of columns that are predicted")
            }
            guard columns <= ValueFile.widest else {
                throw ValueFileError(
                    file: files[0], place: "line 1", problem: "too many columns", expected: "at most \(ValueFile.widest)", found: "\(columns)")
            }
            shape = .init(inputs: columns - targets, targets: targets)
        } else {
            let arrays = try ValueArrays(.train, in: place)
            shape = .init(inputs: arrays.inputs.width, targets: arrays.targets.isWhole ? nil : arrays.targetWidth)
        }
    }

    func write(_ split: Split, to writer: ValueWriter) throws {
        if isCSV {
            try writeCSV("\(folder)/\(split.rawValue).csv", to: writer)
        } else {
            try writeArrays(ValueArrays(split, in: folder), to: writer)
        }
    }

    private func writeCSV(_ path: String, to writer: ValueWriter) throws {
        let rows = try CSVRows(path)
        let width = shape.inputs + shape.targets!
        var inSequence = 0
        while let row = try rows.next() {
            if row.isEmpty {
                writer.beginSequence()
                inSequence = 0
                continue
            }
            guard row.count == width else {
                throw ValueFileError(
                    file: path, place: "line \(rows.line)", problem: "another number of columns", expected: "\(width)", found: "\(row.count)")
            }
            if inSequence == length { (inSequence, _) = (0, writer.beginSequence()) }
            inSequence += 1
            let (inputs, targets) = (Array(row[..<shape.inputs]), Array(row[shape.inputs...]))
            try check(inputs, path, "line \(rows.line)")
            try check(targets, path, "line \(rows.line)", before: shape.inputs)
            try writer.append(inputs, target: targets)
        }
    }

    private func writeArrays(_ source: ValueArrays, to writer: ValueWriter) throws {
        guard source.inputs.width == shape.inputs, source.targets.isWhole == (shape.targets == nil), shape.targets ?? 1 == source.targetWidth else {
            throw ValueFileError(
                file: source.inputs.path, place: "the header", problem: "another shape than that of the training part",
                expected: "\(shape.inputs) inputs and \(shape.targets.map { "\($0) targets" } ?? "labels")", found: "\(source.inputs.width) inputs")
        }
        var arrays = source
        for row in 0..<arrays.rows {
            if try arrays.starts(row, length: length) { writer.beginSequence() }
            let inputs = arrays.inputs.row(row)
            try check(inputs, arrays.inputs.path, "row \(row)")
            let target = arrays.target(row)
            if shape.targets == nil {
                let label = target?[0] ?? -1
                guard label >= -1, label < Float(Labels.most) else {
                    throw ValueFileError(
                        file: arrays.targets.path, place: "row \(row)", problem: "a label that cannot be", expected: "-1 to \(Labels.most - 1)", found: "\(label)")
                }
                try writer.append(inputs, label: Int32(label))
            } else {
                let target = target ?? Array(repeating: .nan, count: arrays.targetWidth)
                try check(target, arrays.targets.path, "row \(row)")
                try writer.append(inputs, target: target)
            }
        }
    }

    /// - Parameter before: columns of the line before these.
    private func check(_ row: [Float], _ path: String, _ place: String, before: Int = 0) throws {
        guard let column = row.withUnsafeBufferPointer({ ValueFile.strangeColumn($0) }) else { return }
        throw ValueFileError(
            file: path, place: "\(place), column \(before + column + 1)", problem: "neither a number nor part of an absent row",
            expected: "finite numbers in single precision, or none in all columns of the inputs or of the targets", found: "\(row[column])")
    }
}
