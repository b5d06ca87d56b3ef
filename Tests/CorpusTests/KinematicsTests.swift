import Files
import Testing

@testable import Corpus

@Suite struct KinematicsTests {
    private func problems(_ sample: KinematicsSample, _ split: Split) -> [Substring] {
        sample.text(of: split).split(separator: "\n\n")
    }

    /// Fixed once and for all: the embedded corpus is the same everywhere.
    @Test func bytesAreFixedByTheSeed() throws {
        let text = try Split.allCases.map { try KinematicsSample().text(of: $0) }.joined()
        #expect(
            text.withContiguousStorage(Digest.sha256)
                == "870e93c5c904a641eb8e396366234b166ac3fd9b5e11bc8d5872b35f68b0fa6b")
        #expect(
            try KinematicsSample(problems: 20, seed: 1).text(of: .train)
                != KinematicsSample(problems: 20, seed: 2).text(of: .train))
    }

    @Test func splitsAreDisjointAndEightToOneToOne() throws {
        let sample = try KinematicsSample()
        let parts = Split.allCases.map { problems(sample, $0) }
        #expect(parts.map(\.count) == [3200, 400, 400])
        #expect(Set(parts.joined()).count == 4000)
    }

    @Test func textIsPlainASCIIParagraphs() throws {
        let text = try KinematicsSample(problems: 1000, seed: 5).text(of: .train)
        #expect(text.utf8.allSatisfy { $0 == newline || 0x20...0x7E ~= $0 })
        #expect(text.hasSuffix(".\n\n"))
        for problem in text.split(separator: "\n\n") {
            let lines = problem.split(separator: "\n")
            #expect(lines.count == 2)
            #expect(lines[0].first?.isUppercase == true)
            #expect(lines[1].hasPrefix("Answer: "))
        }
    }

    /// Works each step out again from the numbers it shows: `... = expression = result unit`.
    @Test func everyAnswerIsRight() throws {
        let sample = try KinematicsSample(problems: 3000, seed: 9)
        var formulas = Set<Substring>()
        for problem in Split.allCases.flatMap({ problems(sample, $0) }) {
            let answer = problem.split(separator: "Answer: ")[1].dropLast()
            var earlier: [Substring] = []
            for step in answer.split(separator: "; ") {
                let sides = step.split(separator: " = ")
                try #require(sides.count == 4, "\(problem)")
                formulas.insert(sides[1])
                let result = try #require(sides[3].split(separator: " ").first)
                let places = result.split(separator: ".").dropFirst().first?.count ?? 0
                var expression = Expression(sides[2])
                let sum = expression.sum()
                let value = try #require(sum, "\(problem)")
                let unit = (0..<places).reduce(1.0) { unit, _ in unit / 10 }
                #expect(value.isFinite && abs(value - Double(result)!) <= 0.5000001 * unit, "\(problem)")
                // Each number comes from the question, an earlier step or the formula's constants.
                let known = problem.split(separator: "\n")[0].split { !$0.isNumber && $0 != "." }.map {
                    $0.last == "." ? $0.dropLast() : $0
                }
                let constants: Set<Substring> = [
                    "2", "0.5", "9.8", "3.6", "3.14", "0.259", "0.500", "0.707", "0.866", "0.966", "1.000",
                ]
                for number in sides[2].split(whereSeparator: { !$0.isNumber && $0 != "." }) {
                    #expect(
                        known.contains(number) || earlier.contains(number) || constants.contains(number), "\(problem)")
                }
                earlier.append(result)
            }
        }
        #expect(formulas.count >= 25)
    }

    @Test func decimalsRoundAsPeopleDo() {
        #expect(Decimal(rounding: 7.1 * 1.5, places: 1).text == "10.7")
        #expect(Decimal(rounding: 18.1 * 1.5, places: 1).text == "27.2")
        #expect(Decimal(rounding: 2.0449, places: 2).text == "2.04")
        #expect(Decimal(rounding: 0.996, places: 2).text == "1.00")
        #expect(Decimal(1007, places: 3).text == "1.007")
        #expect(Decimal(12, places: 0).text == "12")
    }

    @Test(arguments: [0, -1, 9, 100_001, Int.max])
    func unreasonableCountsAreRefused(count: Int) {
        #expect(throws: KinematicsError.countOutside(count)) { try KinematicsSample(problems: count) }
    }

    @Test func becomesADataset() throws {
        let folder = TemporaryFolder()
        let output = "\(folder.path)/data"
        let sample = try KinematicsSample(problems: 50)
        _ = try DatasetWriter(DatasetWriter.Options(level: .character)).write(sample, to: output)
        let dataset = try Dataset(folder: output)
        for split in Split.allCases {
            #expect(try dataset.text(split) == Array(sample.text(of: split).utf8))
            #expect(try File.contents(of: "\(output)/\(split.rawValue).txt") == Array(sample.text(of: split).utf8))
        }
        #expect(dataset.manifest.inputs.map(\.path) == ["train.txt", "valid.txt", "test.txt"])
    }
}

extension String {
    fileprivate func withContiguousStorage<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        Array(utf8).withUnsafeBytes(body)
    }
}

/// `+ - * / ^2 sqrt( ) ( )` over decimal numbers.
private struct Expression {
    private var rest: Substring

    init(_ text: Substring) { rest = text.filter { $0 != " " }[...] }

    mutating func sum() -> Double? {
        guard var value = product() else { return nil }
        while let sign = rest.first, "+-".contains(sign) {
            rest.removeFirst()
            guard let term = product() else { return nil }
            value += sign == "+" ? term : -term
        }
        return value
    }

    private mutating func product() -> Double? {
        guard var value = power() else { return nil }
        while let sign = rest.first, "*/".contains(sign) {
            rest.removeFirst()
            guard let factor = power() else { return nil }
            value = sign == "*" ? value * factor : value / factor
        }
        return value
    }

    private mutating func power() -> Double? {
        guard let value = atom() else { return nil }
        guard rest.hasPrefix("^2") else { return value }
        rest.removeFirst(2)
        return value * value
    }

    private mutating func atom() -> Double? {
        let isRoot = rest.hasPrefix("sqrt(")
        if isRoot { rest.removeFirst(4) }
        if rest.first == "(" {
            rest.removeFirst()
            guard let value = sum(), rest.first == ")" else { return nil }
            rest.removeFirst()
            return isRoot ? value.squareRoot() : value
        }
        let digits = rest.prefix { $0.isNumber || $0 == "." }
        rest = rest.dropFirst(digits.count)
        return Double(digits)
    }
}
