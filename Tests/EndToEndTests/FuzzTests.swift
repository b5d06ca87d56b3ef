import Foundation
import TestSupport
import Testing

/// Damaged files for every parser: a few thousand here, a million each in `launch/test-faults fuzz`.
@Suite struct FuzzTests {
    @Test(arguments: [
        "npy", "ids", "pieces", "vocabulary", "dataset", "safetensors", "manifest", "checkpoint", "yaml", "metrics",
        "report", "events", "gzip", "arpa", "ngram", "vectors", "examples", "targets", "sequences", "labels",
        "csv", "arrays", "inputs", "values",
    ])
    func survivesDamagedFiles(parser: String) throws {
        let outcome = try Launch.run(Launch.product("lockstep-fuzz"), [parser, "2000"], timeout: 300)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output.hasPrefix("\(parser): 2000 inputs"))
    }

    /// None is forgotten above.
    @Test func theListIsComplete() throws {
        let list = try Launch.run(Launch.product("lockstep-fuzz"), ["--list"]).output.split(separator: "\n")
        #expect(list.count == 24)
    }

    /// The fuzzer detects the faults it exists for, and names the input.
    @Test(arguments: [
        ("trap", "traps"), ("hang", "takes too long"), ("memory", "for want of memory"), ("stack", "memory that is not there"),
        ("untyped", "without a diagnosis"), ("escape", "not a printable line"),
    ])
    func seesFaults(fault: String, message: String) throws {
        let sandbox = try Sandbox()
        let outcome = try Launch.run(
            "env", ["TMPDIR=\(sandbox.folder)", Launch.product("lockstep-fuzz"), "test-\(fault)", "10000"], timeout: 120)
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains(#/seed 1, input \d+: FAULT: /#), "\(outcome.errors)")
        #expect(outcome.errors.contains(message), "\(outcome.errors)")
    }
}
