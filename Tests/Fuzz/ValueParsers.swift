import Diagnostics
import Files

@testable import Corpus

/// Numbers, as `prepare --values` takes them, and the files that are made of them.
extension Parser {
    private static let heading = "time,mark,sum\n0.5,1,\n-.25,0,0.25\n\n,nan,1e-3\n1,2,NA\n 3 , 4,5\r\n"
    private static let bare = "1,2,3\n4,5,6\n\n\n7,8,\n0,0,0.125"

    /// `train.csv`, on its way to a dataset that training then reads; and line by line, as `score` reads it.
    static func csv(in folder: String) throws -> Parser {
        let (source, output) = ("\(folder)/source", "\(folder)/made")
        try Folder.create(source)
        let path = "\(source)/train.csv"
        let words = [",", "\n", "\n\n", "\r\n", " ", "nan", "NA", "inf", "1e39", "-", "0x1p3", "\u{FEFF}", "\u{0}", ";", "x", ",,", "\u{85}"]
        return Parser("csv", [heading, bare, "\u{FEFF}" + bare].map { Array($0.utf8) }, words: words, at: path) {
            try makeAndUse(source, length: 2, output)
            let rows = try CSVRows(path)
            while let row = try rows.next() {
                do { try rows.check(row, columns: 3) } catch is ValueFileError {}
            }
        }
    }

    /// Each of the arrays that are numbers' source, with the others sound: inputs, targets or first rows of sequences.
    static func arrays(in folder: String) throws -> Parser {
        let (source, output) = ("\(folder)/source", "\(folder)/made")
        try Folder.create(source)
        let roles = ["inputs", "targets", "sequences"].map { "\(source)/train.\($0).npy" }
        let sound: [[UInt8]] = [
            array("<f4", "(4, 2)", [0.5, 1, 2, 3, 4, 5, 6, 7] as [Float]), array("<f8", "(4, 1)", [1, .nan, 0.25, -3]),
            array("<i8", "(2,)", [0, 3]),
        ]
        let others: [[UInt8]] = [
            array("<f8", "(4, 3)", (0..<12).map { Double($0) }), array("<i4", "(4,)", [-1, 0, 2, 1] as [Int32]),
            array("<u2", "(2,)", [0, 2] as [UInt16]),
        ]
        let path = "\(folder)/damaged.npy"
        let words = pythonWords + ["'<f4'", "'<f8'", "'<i4'", "(4, 2)", "(2, 2, 2)", "(4, 1)", "(4,)", "(0, 2)", "(2, 0)"]
        return Parser("arrays", sound + others, words: words, at: path) {
            let damaged = try File.contents(of: path)
            var refusal: (any Error)?
            for role in roles.indices {
                for (index, place) in roles.enumerated() { try write(index == role ? damaged : sound[index], to: place) }
                do {
                    try makeAndUse(source, length: nil, output)
                    return
                } catch {
                    refusal = error
                    guard error is any DiagnosedError else { throw error }
                }
            }
            if let refusal { throw refusal }
        }
    }

    /// One of the files of a dataset of numbers, beside valid others.
    static func values(_ name: String, in folder: String) throws -> Parser {
        let (source, output) = ("\(folder)/source", "\(folder)/made")
        try Folder.create(source)
        try write(Array(heading.utf8), to: "\(source)/train.csv")
        try makeAndUse(source, length: 2, output)
        let path = "\(output)/\(name)"
        let words = pythonWords + json + ["'<f4'", "(5, 2)", "\"values\"", "\"inputs\"", "\"targets\"", "\"task\"", "\"tags\"", "\"class\"", "\"sequences\""]
        return Parser(name == "dataset.json" ? "values" : "inputs", [try File.contents(of: path)], words: words, at: path) {
            try use(Dataset(folder: output))
        }
    }

    private static func makeAndUse(_ source: String, length: Int?, _ output: String) throws {
        var options = DatasetWriter.Options(level: .character)
        options.overwrite = true
        _ = try DatasetWriter(options).write(ValueSource(folder: source, targets: 1, length: length), to: output)
        try use(Dataset(folder: output))
    }

    /// Reads what training reads.
    private static func use(_ dataset: Dataset) throws {
        for split in dataset.splits {
            guard let sequences = try dataset.sequences(of: split), let rows = sequences.inputValues else { continue }
            var (inputs, targets) = ([Int32](repeating: 0, count: sequences.longest), [Int32](repeating: 0, count: sequences.longest))
            for index in 0..<sequences.count {
                sequences.copy(index, inputs: &inputs, targets: &targets, stride: 1)
                for step in 0..<sequences.length(of: index) {
                    let row = rows.row(Int(inputs[step]))
                    precondition(rows.isAbsent(Int(inputs[step])) || row.allSatisfy(\.isFinite))
                    guard targets[step] >= 0 else { continue }
                    if let values = sequences.targetValues {
                        precondition(values.row(Int(targets[step])).allSatisfy(\.isFinite))
                    } else {
                        precondition(Int(targets[step]) < dataset.labels?.count ?? 0)
                    }
                }
            }
        }
    }

    private static func write(_ bytes: [UInt8], to path: String) throws {
        let file = try File.open(path, .write)
        try bytes.withUnsafeBytes { try file.write($0) }
        try file.close()
    }

    /// `numpy.save`.
    private static func array<Element>(_ type: String, _ shape: String, _ elements: [Element]) -> [UInt8] {
        let text = Array("{'descr': '\(type)', 'fortran_order': False, 'shape': \(shape), }\n".utf8)
        return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(text.count), 0] + text + elements.withUnsafeBytes { Array($0) }
    }
}
