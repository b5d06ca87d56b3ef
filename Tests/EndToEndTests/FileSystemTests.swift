import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// File systems that lack operations, links in the way, groups that share folders.
    struct FileSystemTests {
        private let sandbox: Sandbox
        /// Compiled once: see the source for what it plays.
        static let shim: String = {
            let sandbox = try! Sandbox()
            let source = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .appending(path: "Faults/missing-operations.c").path
            let library = FileManager.default.temporaryDirectory.appending(path: "lockstep-missing-\(getpid()).so").path
            atexit { unlink(FileSystemTests.shim) }
            _ = try! Launch.run(
                "sh", ["-c", "${CC:-cc} -shared -fPIC -o \"$2\" \"$1\" -ldl || clang -shared -fPIC -o \"$2\" \"$1\" -ldl", "sh", source, library],
                folder: sandbox.folder)
            return library
        }()

        init() throws { sandbox = try Sandbox() }

        private func lacking(_ operations: String, _ arguments: [String]) throws -> Launch.Outcome {
            let environment = Launch.mpiEnvironment.merging(["LD_PRELOAD": Self.shim, "MISSING": operations]) { $1 }
            return try Launch.run(Launch.product("lockstep"), arguments, environment: environment, folder: sandbox.folder)
        }

        /// Whatever is missing, a dataset is prepared and replaced, a run trains, saves, is resumed and evaluated; what that
        /// leaves unprotected is said once by each command. Error numbers: ENOSYS 38, ENOLCK 37, EOPNOTSUPP 95, EINVAL 22,
        /// EBADF 9, EACCES 13, ENODEV 19.
        @Test(arguments: [
            ("flock=38", "nothing stops a second job"), ("flock=37", "nothing stops a second job"), ("flock=95", "nothing stops a second job"),
            ("fsync=22", "a power cut"), ("fsync=95 fsync-folder=95", "a power cut"), ("fsync-folder=22", "a power cut"),
            ("fsync-folder=9", "a power cut"), ("open-folder=13", "a power cut"), ("mmap=19", "memory of its own"),
            ("mmap-shared=19", nil), ("append=95", nil), ("ftruncate=95", nil), ("exchange=22", nil), ("exchange=95", nil),
        ])
        func worksWithout(_ operations: String, _ warning: String?) throws {
            let prepare = ["prepare", "--sample", "kinematics", "--problems", "300", "--output", "corpus"]
            let train = ["train", "--run", "run"] + Sandbox.small + ["--data", "corpus", "--set", "checkpoint.every_steps=5"]
            var said = ""
            for arguments in [
                prepare, prepare + ["--overwrite"], train + ["--set", "training.steps=10"],
                train + ["--set", "training.steps=20", "--resume", "auto"], ["evaluate", "--checkpoint", "run"],
            ] {
                let outcome = try lacking(operations, arguments)
                #expect(outcome.status == 0, "\(operations): \(arguments): \(outcome.errors)")
                let warnings = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("warning: ") && $0.contains("file system") }
                #expect(warnings.count <= 1, "\(warnings)")
                said += warnings.joined()
            }
            #expect(warning.map { said.contains($0) } ?? said.isEmpty, "\(operations): \(said)")
        }

        /// A second job is still kept out where locks exist, and an error of the disk is still an error.
        @Test func errorsOfTheDiskAreErrors() throws {
            try sandbox.succeed(["prepare", "--sample", "kinematics", "--problems", "300", "--output", "corpus"])
            let train = ["train", "--run", "run"] + Sandbox.small + ["--data", "corpus"]
            #expect(try lacking("flock=5", train).status == 74)
            #expect(try lacking("fsync=5", train).status == 74)
        }

        // MARK: Links

        private func link(_ name: String, to target: String) throws {
            try FileManager.default.createSymbolicLink(atPath: sandbox.path(name), withDestinationPath: target)
        }

        private func isLink(_ name: String) -> Bool {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: sandbox.path(name))) != nil
        }

        /// Folders of scratch space behind a link in the home folder, there already or not yet.
        @Test(arguments: ["scratch/there", "scratch/new"])
        func outputThroughLinks(_ target: String) throws {
            try FileManager.default.createDirectory(atPath: sandbox.path("scratch/there"), withIntermediateDirectories: true)
            try link("data", to: target)
            let prepare = ["prepare", "--sample", "kinematics", "--output", "data"]
            try sandbox.succeed(prepare + ["--problems", "300"])
            #expect(isLink("data"))
            let manifest = sandbox.path("\(target)/dataset.json")
            let before = try Data(contentsOf: URL(filePath: manifest))
            try sandbox.succeed(prepare + ["--problems", "301", "--overwrite"])
            #expect(isLink("data"))
            #expect(try Data(contentsOf: URL(filePath: manifest)) != before)
            #expect(try FileManager.default.contentsOfDirectory(atPath: sandbox.path("scratch")).sorted() == (target == "scratch/there" ? ["there"] : ["new", "there"]))

            try link("run", to: "scratch/run")
            try sandbox.train("run", ["training.steps=4"])
            try link("page.html", to: "scratch/page.html")
            try sandbox.succeed(["report", "run", "--output", "page.html"])
            #expect(isLink("run") && isLink("page.html"))
            #expect(FileManager.default.fileExists(atPath: sandbox.path("scratch/run/checkpoints/latest")))
            #expect(FileManager.default.fileExists(atPath: sandbox.path("scratch/page.html")))
        }

        /// umask 002, where a group shares its folders.
        @Test func theGroupMayWriteWhereUmaskLetsIt() throws {
            let outcome = try Launch.run(
                "sh", ["-c", "umask 002; exec \"$@\"", "sh", Launch.product("lockstep"), "train", "--run", "run"] + Sandbox.small,
                folder: sandbox.folder)
            #expect(outcome.status == 0, "\(outcome.errors)")
            let paths = try #require(FileManager.default.enumerator(atPath: sandbox.path("run"))).compactMap { $0 as? String }
            #expect(paths.count > 6)
            for path in paths {
                let mode = try FileManager.default.attributesOfItem(atPath: sandbox.path("run/\(path)"))[.posixPermissions] as? Int
                #expect((mode ?? 0) & 0o020 != 0, "\(path)")
            }
        }

        // MARK: Files of the wrong kind

        /// Nobody writes to the pipe: whoever opened it would wait.
        @Test func pipesAreNoConfigurationsAndNoDatasets() throws {
            try FileManager.default.copyItem(atPath: Shared.corpus, toPath: sandbox.path("corpus"))
            try FileManager.default.copyItem(atPath: Shared.run, toPath: sandbox.path("old"))
            func pipe(_ name: String) {
                unlink(sandbox.path(name))
                mkfifo(sandbox.path(name), 0o600)
            }
            pipe("c.yaml")
            let train = ["train", "--run", "run"] + Sandbox.small
            expectRefusal(
                try sandbox.lockstep(train + ["--config", "c.yaml"], timeout: 10), status: 64, ["c.yaml", "not a regular file", "found a pipe"])
            expectRefusal(
                try sandbox.lockstep(train + ["--config", "/dev/zero"], timeout: 10), status: 64, ["/dev/zero", "found a device"])
            for name in ["train.npy", "vocabulary.json", "dataset.json"] {
                pipe("corpus/\(name)")
                let outcome = try sandbox.lockstep(train + ["--data", "corpus"], timeout: 10)
                expectRefusal(outcome, status: 65, ["corpus/\(name)", "not a regular file", "found a pipe"])
            }
            pipe("old/checkpoints/latest")
            pipe("old/metrics.jsonl")
            #expect(try sandbox.lockstep(["evaluate", "--checkpoint", "old", "--data", Shared.corpus], timeout: 10).status == 0)
            expectRefusal(try sandbox.lockstep(["report", "old"], timeout: 10), status: 65, ["old/metrics.jsonl", "found a pipe"])
            pipe("ids.npy")
            let tokens = ["prepare", "--tokens", "--input", "ids.npy", "--output", "new", "--vocabulary"]
            #expect(try sandbox.lockstep(tokens + ["c.yaml"], timeout: 10).status == 65)
            #expect(try sandbox.lockstep(tokens + ["\(Shared.corpus)/vocabulary.json"], timeout: 10).status == 65)
        }

        /// A terabyte that was never written.
        @Test func hugeSparseFilesAreRefused() throws {
            try FileManager.default.copyItem(atPath: Shared.corpus, toPath: sandbox.path("corpus"))
            for name in ["text", "corpus/valid.npy"] { _ = try Launch.run("truncate", ["-s", "1T", sandbox.path(name)]) }
            for arguments in [
                ["prepare", "--input", "text", "--level", "char", "--output", "new"],
                ["prepare", "--input", "text", "--level", "byte", "--output", "new"],
                ["train", "--run", "run"] + Sandbox.small + ["--data", "corpus"],
            ] {
                let outcome = try sandbox.lockstep(arguments, timeout: 10)
                expectRefusal(outcome, status: 65, ["never written"])
            }
        }
    }
}
