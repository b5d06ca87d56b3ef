import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// README.md, docs/ and the heads of configs/ say what is true.
    @Suite(.serialized) struct DocumentationTests {
        /// Why a command does not run in this test.
        enum Reason: Equatable {
            /// Not on one machine, or not without a network.
            case notHere(String)
            /// `launch/test-docs` runs it.
            case byHand(String)
            /// Runs where PYTHON names one with torch, numpy and safetensors; `launch/test-docs` does.
            case needsPyTorch
        }
        /// By the page and how they begin.
        static let leftOut: [(page: String, beginning: String, reason: Reason)] = [
            ("README.md", "launch/quickstart", .byHand("builds, and trains for a while")),
            ("README.md", "launch/test ", .notHere("runs this test")),
            ("README.md", "sbatch ", .notHere("launch/test-slurm runs the script under Slurm")),
            ("README.md", "launch/pytorch_model.py", .needsPyTorch),
            ("docs/commands.md", "tensorboard ", .notHere("serves until it is stopped")),
            ("docs/results/quickstart.md", "docs/results/well_formed.py", .needsPyTorch),
            ("docs/scaling.md", "launch/compare-pytorch", .notHere("takes an hour and installs 5.5 GB")),
            ("docs/cluster.md", "export ", .notHere("names what was not built")),
            ("docs/cluster.md", "sbatch ", .notHere("launch/test-slurm runs the script under Slurm")),
            ("docs/tutorials/pytorch.md", "pip install", .notHere("needs the network")),
            ("docs/tutorials/pytorch.md", "python3 ", .needsPyTorch),
            ("docs/tutorials/pytorch.md", "launch/pytorch_model.py", .needsPyTorch),
        ]

        private static func isLeftOut(_ command: String, of page: Page) -> Bool {
            guard let entry = leftOut.first(where: { $0.page == page.path && "\(command) ".hasPrefix($0.beginning) }) else { return false }
            return entry.reason != .needsPyTorch || NewcomersFolder.python == nil
        }

        /// What a page assumes in addition to the small texts.
        private static let given = [
            // Weights "from PyTorch": here they are lockstep's own.
            "README.md": """
                lockstep train --config configs/quickstart.yaml --run given
                cp given/checkpoints/$(cat given/checkpoints/best)/model.safetensors weights.safetensors
                """,
            // A dataset with the words of the page's analogy, the model and hypotheses of a recogniser, and another program's n-gram
            // model: here it is lockstep's own.
            "docs/commands.md": """
                lockstep prepare --input book.txt --level char --output data/book
                echo 'the king said to the queen that a man and a woman were there' >> a.txt
                printf ': family\\nking queen man woman\\n' > questions-words.txt
                lockstep prepare --train a.txt --valid b.txt --test c.txt --level word --output data/news
                lockstep train --data data/news --run runs/news --set training.steps=8
                lockstep export --checkpoint runs/news --embeddings --output pretrained.txt
                lockstep train --data data/news --run runs/general && echo 'data: {path: data/news}' > tuned.yaml
                sed 's/^/utterance-1 /' sentences.txt > nbest.txt
                lockstep train --data data/news --run given --set model.cell=ngram
                cp given/checkpoints/*/model.arpa other.arpa && gzip -k other.arpa
                """,
            "docs/cluster.md": "mkdir -p shared/runs && cp launch/hosts.example hosts",
            "docs/results/quickstart.md": "lockstep train --config configs/quickstart.yaml --run runs/quickstart",
            "docs/exactness.md": "mkdir shared && lockstep train --set training.streams=24 --print-config > my.yaml",
            // A recogniser's tokens, of which the last ends a sentence.
            "docs/tutorials/decoders.md": "sed -i 's|^<eos>$|<sos/eos>|' pieces.txt && nl -v 0 -w 1 -s ' ' pieces.txt | awk '{ print $2, $1 }' > tokens.txt",
            // In place of what PyTorch writes, where there is none.
            "docs/tutorials/pytorch.md": NewcomersFolder.python != nil
                ? ":" : "lockstep train --run given && cp given/checkpoints/$(cat given/checkpoints/best)/model.safetensors begun.safetensors",
        ]

        @Test(arguments: Page.withCommands) func everyCommandRuns(_ page: Page) throws {
            let folder = try NewcomersFolder(
                hasSample: !page.commands.contains { $0.contains("--output data/kinematics") },
                mayBeFull: page.path.hasSuffix(".md"))
            if let given = Self.given[page.path] { try #require(folder.run(given).status == 0) }
            let outcome = try folder.run(page.script { Self.isLeftOut($0, of: page) })
            let last = outcome.errors.split(separator: "\n").suffix(12).joined(separator: "\n")
            #expect(outcome.status == 0 && !outcome.timedOut, "\(last)")
        }

        @Test func nothingIsLeftOutThatNoPageHas() {
            for entry in Self.leftOut {
                let page = Page.withCommands.first { $0.path == entry.page }
                #expect(page?.commands.contains { "\($0) ".hasPrefix(entry.beginning) } == true, "\(entry)")
            }
        }

        /// A block of commands that is not marked `sh` would never be run.
        @Test(arguments: Page.markdown) func commandsAreMarked(_ page: Page) {
            for block in page.blocks where block.language.isEmpty {
                let isCommand = block.lines.first?.prefixMatch(of: /(lockstep [a-z]|mpirun |launch\/|\. launch|export |pip |git |sbatch |\$ )/) != nil
                #expect(!isCommand, "\(page.path), line \(block.line): write ```sh")
            }
        }

        @Test(arguments: Page.markdown) func linksLeadSomewhere(_ page: Page) throws {
            for link in page.links {
                let parts = link.split(separator: "#", omittingEmptySubsequences: false)
                let file = parts[0].isEmpty ? page.url : URL(filePath: String(parts[0]), relativeTo: page.url.deletingLastPathComponent())
                let isThere = FileManager.default.fileExists(atPath: file.path)
                try #require(isThere, "\(page.path): \(link)")
                if parts.count > 1 {
                    let path = file.standardizedFileURL.path.dropFirst(Page.repository.path.count + 1)
                    #expect(Page(markdown: String(path)).anchors.contains(String(parts[1])), "\(page.path): \(link)")
                }
            }
        }

        /// Every page can be reached from docs/README.md.
        @Test func theIndexIsComplete() throws {
            let index = try #require(Page.markdown.first { $0.path == "docs/README.md" })
            for page in Page.markdown where page.path.hasPrefix("docs/") && page.path != index.path {
                let name = page.path.dropFirst("docs/".count)
                if name.hasPrefix("results/") { continue }
                #expect(index.links.contains { $0.hasPrefix(name) }, "docs/README.md lacks \(name)")
            }
        }

        @Test func equationsAreNumberedInOrderAndReferredToCorrectly() throws {
            let page = try String(contentsOf: Page.repository.appending(path: "docs/mathematics.md"), encoding: .utf8)
            let numbers = page.matches(of: /(?m)(?: {2,}|\| )\((\d+)\)(?: \|)?$/).map { Int($0.output.1)! }
            #expect(numbers.count > 40 && numbers == Array(1...max(numbers.count, 1)))

            let sources = FileManager.default.enumerator(atPath: Page.repository.appending(path: "Sources").path)!
            var references = 0
            for case let name as String in sources where name.hasSuffix(".swift") {
                let text = try String(contentsOf: Page.repository.appending(path: "Sources/\(name)"), encoding: .utf8)
                for line in text.split(separator: "\n") where line.contains("mathematics.md (") {
                    for match in line.matches(of: /\((\d+)\)/) {
                        references += 1
                        #expect(numbers.contains(Int(match.output.1)!), "\(name): \(line)")
                    }
                }
            }
            #expect(references > 10)
        }

        @Test func theArchitecturePageNamesEveryModule() throws {
            let package = try String(contentsOf: Page.repository.appending(path: "Package.swift"), encoding: .utf8)
            let page = try String(contentsOf: Page.repository.appending(path: "docs/architecture.md"), encoding: .utf8)
            let tests = ["TestSupport", "mpi-conformance", "lockstep-fuzz"]
            let modules = package.matches(of: /\.(?:target|executableTarget|systemLibrary)\(\s*name: "([^"]+)"/).map { String($0.output.1) }
            for module in modules where !tests.contains(module) { #expect(page.contains("`\(module)`"), "\(module)") }
        }
    }
}
