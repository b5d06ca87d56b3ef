import Files
import Foundation
import Testing

@testable import Corpus

/// Datasets of numbers, from CSV and from arrays.
@Suite struct ValueSourceTests {
    private let folder = TemporaryFolder()

    private func prepare(targets: Int = 1, length: Int? = nil) throws -> Dataset {
        var options = DatasetWriter.Options(level: .character)
        options.overwrite = true
        let output = "\(folder.path)-made"
        _ = try DatasetWriter(options).write(ValueSource(folder: folder.path, targets: targets, length: length), to: output)
        defer { try? Folder.remove(output) }
        let dataset = try Dataset(folder: output)
        try dataset.verifyChecksums()
        return dataset
    }

    /// What a model gets of each sequence: inputs, and targets where there are any.
    private func sequences(_ dataset: Dataset, _ split: Split = .train) throws -> [[(inputs: [Float], target: [Float]?)]] {
        let store = try #require(try dataset.sequences(of: split))
        return (0..<store.count).map { index in
            let length = store.length(of: index)
            var (inputs, targets) = ([Int32](repeating: 0, count: length), [Int32](repeating: 0, count: length))
            store.copy(index, inputs: &inputs, targets: &targets, stride: 1)
            return zip(inputs, targets).map { row, target in
                let values = store.targetValues.map { file in target < 0 ? nil : Array(file.row(Int(target))) } ?? [Float(target)]
                return (Array(store.inputValues!.row(Int(row))), values)
            }
        }
    }

    /// `numpy.save`.
    private func save<Element>(_ values: [Element], _ type: String, _ shape: String, as name: String) throws {
        let header = "{'descr': '\(type)', 'fortran_order': False, 'shape': \(shape), }\n"
        let data = values.withUnsafeBytes { Array($0) }
        _ = try folder.write([0x93] + bytes("NUMPY") + [1, 0, UInt8(header.utf8.count), 0] + bytes(header) + data, as: name)
    }

    @Test func rowsOfACSVFileAreInputsAndTargetsWithBlankLinesBetweenSequences() throws {
        _ = try folder.write("a,b,sum\n1,2,\n 3 , 4.5,7.5\n\n\n,nan,1e-1\n5,6,NA\r\n", as: "train.csv")
        _ = try folder.write("0,1,1\n", as: "valid.csv")
        let dataset = try prepare()
        #expect(dataset.splits == [.train, .valid] && dataset.manifest.task == .values)
        #expect(dataset.manifest.values == .init(inputs: 2, targets: 1))
        #expect(dataset.manifest.splits[.train]?.sequences?.predictions == 2)
        let found = try sequences(dataset)
        #expect(found.map(\.count) == [2, 2])
        #expect(found[0].map(\.inputs) == [[1, 2], [3, 4.5]] && found[0].map(\.target) == [nil, [7.5]])
        #expect(found[1][0].inputs.allSatisfy(\.isNaN) && found[1].map(\.target) == [[0.1], nil])
        #expect(try sequences(dataset, .valid)[0].map(\.target) == [[1]])
        #expect(dataset.hashes.keys.sorted() == [
            "train.inputs.npy", "train.sequences.npy", "train.targets.npy", "valid.inputs.npy", "valid.sequences.npy", "valid.targets.npy",
        ])
    }

    @Test func arraysOfEveryShapeGiveTheSameSequences() throws {
        let numbers: [Double] = [1, 2, 3, 4, 5, 6, 7, 8]
        func check(_ expected: [[Float]?], length: Int? = nil) throws {
            let found = try sequences(prepare(length: length))
            #expect(found.map { $0.map(\.inputs) } == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
            #expect(found.flatMap { $0.map(\.target) } == expected)
        }
        try save(numbers, "<f8", "(2, 2, 2)", as: "train.inputs.npy")
        try save([0.5, .nan, 1.5, 2.5] as [Float], "<f4", "(2, 2, 1)", as: "train.targets.npy")
        try check([[0.5], nil, [1.5], [2.5]])
        try save([0.5, 1.5] as [Float], "<f4", "(2, 1)", as: "train.targets.npy")
        try check([nil, [0.5], nil, [1.5]])
        try save([3, 0] as [Int64], "<i8", "(2,)", as: "train.targets.npy")
        try check([[-1], [3], [-1], [0]])
        #expect(try prepare().manifest.task == .label)
        try save(numbers.map(Float.init), "<f4", "(4, 2)", as: "train.inputs.npy")
        try save([3, -1, 1, 0] as [Int32], "<i4", "(4,)", as: "train.targets.npy")
        try check([[3], [-1], [1], [0]], length: 2)
        #expect(try prepare().manifest.task == .tags && prepare().labels?.names == ["0", "1", "2", "3"])
        try save([0, 2] as [Int64], "<i8", "(2,)", as: "train.sequences.npy")
        try check([[3], [-1], [1], [0]])
    }

    @Test(arguments: [
        ("1,2\n3\n", "train.csv, line 2", "another number of columns"), ("1,2\n3,x\n", "line 2", "not a number"),
        ("1,2\ninf,3\n", "line 2", "neither a number nor part of an absent row"), ("1,2,3\n1,,3\n", "line 2, column 2", "neither a number"),
        ("1,2O\n3,4\n", "line 1", "not a number"), ("\"1\",x\n", "the whole file", "no rows"), ("1,2\r3,4\r", "line 1", "not a number"),
        ("1\n", "line 1", "too few columns"), ("", "the whole file", "no rows"), ("\n\n", "the whole file", "no rows"),
    ]) func linesThatCannotBeAreRefusedWithTheirNumber(text: String, place: String, problem: String) throws {
        _ = try folder.write(text, as: "train.csv")
        let error = try #require(throws: ValueFileError.self) { try prepare() }
        #expect("\(error)".contains(place.components(separatedBy: ", ").last!) && "\(error)".contains(problem), "\(error)")
    }

    @Test(arguments: ["a,b", ",b", "\"1\",\"2\"", "NA,y"]) func aFirstLineWithoutNumbersIsAHeading(line: String) throws {
        _ = try folder.write("\(line)\n1,2\n3,4\n", as: "train.csv")
        #expect(try sequences(prepare())[0].map(\.inputs) == [[1], [3]])
    }

    /// Spreadsheets write a byte order mark, which makes the first row no heading.
    @Test func aByteOrderMarkIsNoHeading() throws {
        _ = try folder.write("\u{FEFF}1,2\n3,4\n", as: "train.csv")
        #expect(try sequences(prepare())[0].map(\.inputs) == [[1], [3]])
    }

    @Test func moreThanADatasetHoldsIsRefused() throws {
        _ = try folder.write(String(repeating: "1,", count: ValueFile.widest) + "2\n", as: "train.csv")
        #expect("\(try #require(throws: ValueFileError.self) { try prepare() })".contains("too many columns"))
        _ = try folder.write("1,\n2,NA\n", as: "train.csv")
        #expect(throws: PrepareError.noTargets(.train)) { try prepare() }
        _ = try folder.write(String(repeating: "1,2\n", count: 65_537), as: "train.csv")
        #expect(throws: PrepareError.longSequence(.train, row: 65_536)) { try prepare() }
        #expect(try prepare(length: 65_536).manifest.splits[.train]?.sequences?.longest == 65_536)
    }

    /// The column of a target is counted from the start of the line.
    @Test func aTargetThatIsNoNumberHasItsColumn() throws {
        _ = try folder.write("1,2,3,4\n1,2,3,inf\n", as: "train.csv")
        #expect("\(try #require(throws: ValueFileError.self) { try prepare() })".contains("line 2, column 4"))
        #expect("\(try #require(throws: ValueFileError.self) { try prepare(targets: 2) })".contains("line 2, column 4"))
    }

    @Test(arguments: [[1, 2], [0, 2, 2], [0, 4], [0, -1], []] as [[Int64]]) func firstRowsThatCannotBeAreRefused(starts: [Int64]) throws {
        try save([1, 2, 3, 4] as [Float], "<f4", "(4, 1)", as: "train.inputs.npy")
        try save([1, 2, 3, 4] as [Float], "<f4", "(4, 1)", as: "train.targets.npy")
        try save(starts, "<i8", "(\(starts.count),)", as: "train.sequences.npy")
        #expect("\(try #require(throws: ValueFileError.self) { try prepare() })".contains("not the first row of a sequence"))
    }

    @Test func arraysThatDoNotFitAreRefused() throws {
        try save([1, 2, 3, 4] as [Float], "<f4", "(2, 2)", as: "train.inputs.npy")
        try save([1, 2, 3] as [Float], "<f4", "(3, 1)", as: "train.targets.npy")
        #expect("\(try #require(throws: ValueFileError.self) { try prepare() })".contains("one for each of 2 rows"))
        try save([1, .infinity] as [Float], "<f4", "(2, 1)", as: "train.targets.npy")
        #expect("\(try #require(throws: ValueFileError.self) { try prepare() })".contains("row 1"))
        try save([1, 2] as [Float], "<f4", "(4611686018427387904, 4)", as: "train.targets.npy")
        #expect(throws: ArrayFileError.self) { try prepare() }
    }

    /// Files that were changed after they were made.
    @Test func aDatasetIsReadWithDistrust() throws {
        _ = try folder.write("1,2,3\n4,5,6\n", as: "train.csv")
        let output = "\(folder.path)-made"
        defer { try? Folder.remove(output) }
        _ = try DatasetWriter(.init(level: .character)).write(ValueSource(folder: folder.path, targets: 1, length: nil), to: output)
        let path = "\(output)/train.inputs.npy"
        var content = try File.contents(of: path)
        content[content.count - 1] = 0x7f  // the last number becomes NaN
        content[content.count - 2] = 0xff
        try FileManager.default.removeItem(atPath: path)
        try Data(content).write(to: URL(filePath: path))
        let dataset = try Dataset(folder: output)
        #expect(throws: DatasetError.self) { try dataset.verifyChecksums() }
        #expect(throws: ValueFileError.self) { try dataset.sequences(of: .train) }
        try Data(content.dropLast(4)).write(to: URL(filePath: path))
        #expect(throws: ArrayFileError.self) { try Dataset(folder: output) }
    }

    @Test func theAddingProblemIsTheSumOfTheMarkedNumbers() throws {
        let output = "\(folder.path)-made"
        defer { try? Folder.remove(output) }
        func make(_ name: String, seed: UInt64) throws -> Dataset {
            _ = try DatasetWriter(.init(level: .character)).write(AddingSample(sequences: 40, length: 15, seed: seed), to: "\(output)/\(name)")
            return try Dataset(folder: "\(output)/\(name)")
        }
        let dataset = try make("a", seed: 1)
        #expect(dataset.manifest.splits.mapValues { $0.sequences?.count } == [.train: 32, .valid: 4, .test: 4])
        for sequence in try Split.allCases.flatMap({ try sequences(dataset, $0) }) {
            #expect(sequence.count == 15 && sequence.dropLast().allSatisfy { $0.target == nil })
            let marked = sequence.indices.filter { sequence[$0].inputs[1] == 1 }
            #expect(marked.count == 2 && marked[0] < 7 && marked[1] >= 7)
            #expect(sequence.last?.target == [sequence[marked[0]].inputs[0] + sequence[marked[1]].inputs[0]])
        }
        #expect(try make("b", seed: 1).hash == dataset.hash && make("c", seed: 2).hash != dataset.hash)
        #expect(throws: AddingError.self) { try AddingSample(sequences: 9) }
    }
}
