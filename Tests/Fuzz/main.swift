// Reads damaged files with every parser that reads files from a stranger.
//   lockstep-fuzz PARSER COUNT [SEED]           that many inputs; a line of statistics, or of what went wrong (exit 1)
//   lockstep-fuzz PARSER --input NUMBER [SEED]  one input: says what the parser says, and leaves the file behind
//   lockstep-fuzz --list                        the parsers
// An input is survived when it is accepted, or refused with a DiagnosedError of one printable line, in Guard.seconds and
// Guard.bytes.
import Diagnostics
import Files
import Glibc

func fail(_ line: String, code: Int32) -> Never {
    StandardStream.error.write(line + "\n")
    exit(code)
}

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments == ["--list"] {
    print(Parser.names.joined(separator: "\n"))
    exit(0)
}
let isSingle = arguments.count > 1 && arguments[1] == "--input"
let numbers = arguments.dropFirst(isSingle ? 2 : 1).compactMap { Int($0) }
guard let name = arguments.first, 1...2 ~= numbers.count, arguments.count == numbers.count + (isSingle ? 2 : 1) else {
    fail("usage: lockstep-fuzz PARSER COUNT [SEED]", code: 64)
}
let seed = UInt64(numbers.count > 1 ? numbers[1] : 1)

// In memory where the machine has such a file system. After a fault the folder stays.
let parent = getenv("TMPDIR").map { String(cString: $0) } ?? (Folder.isFolder("/dev/shm") ? "/dev/shm" : "/tmp")
var template = Array("\(parent)/lockstep-fuzz-XXXXXX".utf8CString)
let folder = String(cString: mkdtemp(&template))
guard let parser = try Parser.named(name, in: folder) else {
    try Folder.remove(folder)
    fail("no parser \(name); there are \(Parser.names.joined(separator: ", "))", code: 64)
}
let mutator = Mutator(originals: parser.originals, words: parser.words, seed: seed)

func write(_ bytes: [UInt8]) throws {
    let file = try File.open(parser.path, .write)
    try bytes.withUnsafeBytes { try file.write($0) }
    try file.close()
}

if isSingle {
    try write(parser.finish(mutator.input(numbers[0]), numbers[0]))
    print(parser.path)
    do {
        try parser.read()
        print("accepted")
    } catch {
        print("\(type(of: error)): \(error)")
    }
    exit(0)
}

for original in parser.originals {
    try write(parser.finish(original, 0))
    do { try parser.read() } catch { fail("\(name): a sound file is refused: \(error)", code: 1) }
}
Guard.watch("lockstep-fuzz \(name), seed \(seed)")
Guard.limitMemory()

var outcomes: [String: Int] = [:]
var slowest = (seconds: 0.0, input: 0)
var start = timespec()
for number in 0..<numbers[0] {
    Guard.begin(number)
    try write(parser.finish(mutator.input(number), number))
    var before = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before)
    do {
        try parser.read()
        outcomes["accepted", default: 0] += 1
    } catch {
        let place = "lockstep-fuzz \(name), seed \(seed), input \(number)"
        guard let refusal = error as? any DiagnosedError else {
            fail("\(place): FAULT: an error without a diagnosis: \(type(of: error)): \("\(error)".prefix(200))", code: 1)
        }
        let line = refusal.description
        guard line.unicodeScalars.count < 2010, line.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) else {
            fail("\(place): FAULT: not a printable line: \(line.prefix(200).debugDescription)", code: 1)
        }
        // The case's name, as `SafetensorsError.overlap`.
        let variant = Mirror(reflecting: error).displayStyle == .enum ? Mirror(reflecting: error).children.first?.label : nil
        outcomes["\(type(of: error))\(variant.map { "." + $0 } ?? "")", default: 0] += 1
    }
    var after = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after)
    let seconds = Double(after.tv_sec - before.tv_sec) + Double(after.tv_nsec - before.tv_nsec) * 1e-9
    if seconds > slowest.seconds { slowest = (seconds, number) }
}

let kinds = outcomes.filter { $0.key != "accepted" }.sorted { $0.value > $1.value }
let milliseconds = (slowest.seconds * 10_000).rounded() / 10
print(
    "\(name): \(numbers[0]) inputs, \(outcomes["accepted"] ?? 0) accepted, \(kinds.count) kinds of errors, "
        + "slowest \(milliseconds) ms (input \(slowest.input))")
for (kind, count) in kinds { print("    \(count) \(kind)") }
try Folder.remove(folder)
