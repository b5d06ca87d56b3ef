import Foundation
import TestSupport
import Testing

/// A fresh folder as a newcomer has it after `launch/setup`, with small texts in place of the corpora that the pages
/// mention, and programs on its path that keep runs short.
///
/// With `LOCKSTEP_DOCS=full` in the environment (`launch/test-docs`) programs run as a Markdown page says.
final class NewcomersFolder: Sendable {
    let sandbox: Sandbox

    /// Eight steps of a small model, whatever the page's configuration; small samples. What `doctor` finds wrong with this
    /// machine (69) is no fault of the page.
    private static let shortLockstep = """
        #!/usr/bin/env bash
        set -- "${@/#\\/shared\\//shared/}"
        small=(--set model.layers=1 --set model.embedding=16 --set model.hidden=16)
        if [[ "$*" == *adaptive* ]]; then small+=(--set model.softmax.cutoffs=[100]); fi  # below the small vocabulary
        case ${1-} in
        train) exec "$LOCKSTEP" "$@" "${small[@]}" --set training.steps=8 --set validation.streams=2 ;;
        bench) exec "$LOCKSTEP" "$@" "${small[@]}" --steps 2 --warmup 1 --steps-only ;;
        prepare) if [[ " $* " == *" --sample "* ]]; then set -- "$@" --problems 300; fi; exec "$LOCKSTEP" "$@" ;;
        generate) exec "$LOCKSTEP" "$@" --length 40 ;;
        verify) exec "$LOCKSTEP" "${@/16,32/2,1}" "${small[@]}" --steps 8 --kills 1 ;;
        doctor) "$LOCKSTEP" "$@"; code=$?; ((code == 69)) || exit "$code" ;;
        *) exec "$LOCKSTEP" "$@" ;;
        esac

        """

    private static let fullLockstep = """
        #!/usr/bin/env bash
        set -- "${@/#\\/shared\\//shared/}"
        case ${1-} in
        verify) exec "$LOCKSTEP" "${@/16,32/2,1}" ;;
        doctor) "$LOCKSTEP" "$@"; code=$?; ((code == 69)) || exit "$code" ;;
        *) exec "$LOCKSTEP" "$@" ;;
        esac

        """

    /// Slurm's launcher as far as pages use it.
    private static let srun = """
        #!/usr/bin/env bash
        [[ $1 == --mpi=pmix ]] && exec mpirun "${@:2}"

        """

    /// Two ranks on this machine, in place of those of the page.
    private static let twoRanks = """
        #!/usr/bin/env bash
        options=()
        while [[ ${1-} == -* ]]; do
            case $1 in
            -n | -np | --hostfile | --host | --map-by | --bind-to) shift 2 ;;
            -x) options+=("$1" "$2"); shift 2 ;;
            --mca) options+=("$1" "$2" "$3"); shift 3 ;;
            *) options+=("$1"); shift ;;
            esac
        done
        exec "$MPIRUN" -n 2 --oversubscribe "${options[@]}" "$@"

        """

    private static let isFull = ProcessInfo.processInfo.environment["LOCKSTEP_DOCS"] == "full"
    /// A Python that has torch, numpy and safetensors. Its models have their own sizes: nothing for short runs.
    static let python = isFull ? ProcessInfo.processInfo.environment["PYTHON"] : nil

    private let isFull: Bool

    /// - Parameters:
    ///   - hasSample: the embedded corpus has been prepared, in data/kinematics.
    ///   - mayBeFull: this is no recipe that takes days.
    init(hasSample: Bool, mayBeFull: Bool) throws {
        isFull = Self.isFull && mayBeFull
        sandbox = try Sandbox()
        let files = FileManager.default
        for folder in ["bin", ".build/release", "data", "training-monolingual.tokenized.shuffled", "heldout-monolingual.tokenized.shuffled"] {
            try files.createDirectory(atPath: sandbox.path(folder), withIntermediateDirectories: true)
        }
        try program("bin/lockstep", isFull ? Self.fullLockstep : Self.shortLockstep)
        try files.createSymbolicLink(atPath: sandbox.path(".build/release/lockstep"), withDestinationPath: sandbox.path("bin/lockstep"))
        try program("bin/mpirun", Self.twoRanks)
        try program("bin/srun", Self.srun)
        if let python = Self.python { try program("bin/python3", "#!/bin/sh\nexec '\(python)' \"$@\"\n") }
        for folder in ["configs", "docs", "launch"] {
            try files.createSymbolicLink(
                atPath: sandbox.path(folder), withDestinationPath: Page.repository.appending(path: folder).path)
        }
        if hasSample { try files.copyItem(atPath: Shared.corpus, toPath: sandbox.path("data/kinematics")) }

        let text = try Data(contentsOf: URL(filePath: "\(Shared.corpus)/train.txt"))
        for name in [
            "book.txt", "archive.bin", "a.txt", "b.txt", "c.txt", "letters.txt", "input.txt", "text8",
            "wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens", "ptb.train.txt", "ptb.valid.txt", "ptb.test.txt",
            "training-monolingual.tokenized.shuffled/news.en-00001-of-00100",
            "heldout-monolingual.tokenized.shuffled/news.en.heldout-00000-of-00050",
            "heldout-monolingual.tokenized.shuffled/news.en.heldout-00001-of-00050",
        ] {
            try text.write(to: URL(filePath: sandbox.path(name)))
        }
        try text.prefix(500).write(to: URL(filePath: sandbox.path("sentences.txt")))
        try tokens()
        try labels()
        try numbers()
    }

    /// Rows of three inputs, and behind them two targets.
    private func numbers() throws {
        try FileManager.default.createDirectory(atPath: sandbox.path("sensors"), withIntermediateDirectories: true)
        for name in ["train", "valid", "test"] { _ = try sandbox.write("0.5,0.25,1,0.75,0\n,,,0.5,1\n\n1,0,0.5,,\n", to: "sensors/\(name).csv") }
        _ = try sandbox.write("0.5,0.25,1\n", to: "new.csv")
    }

    /// Sentences with tags and with labels.
    private func labels() throws {
        let conll = "play O\nsome O\njazz B-genre\n\nadd O\nmiles B-artist\ndavis I-artist\n\n"
        let tsv = "PlayMusic\tplay some jazz\nAddToPlaylist\tadd miles davis\n"
        for name in ["train", "valid", "test", "new"] { _ = try sandbox.write(conll, to: "\(name).conll") }
        for name in ["train", "valid", "test", "dev"] { _ = try sandbox.write(tsv, to: "\(name).tsv") }
        _ = try sandbox.write(String(repeating: tsv, count: 10), to: "reviews.tsv")
        _ = try sandbox.write(String(repeating: "2+3\t5\n", count: 20), to: "sums.tsv")
        _ = try sandbox.write("play some jazz\nadd miles davis \n", to: "seq.in")
        _ = try sandbox.write("O O B-genre\nO B-artist I-artist \n", to: "seq.out")
        _ = try sandbox.write("PlayMusic\nAddToPlaylist\n", to: "label")
    }

    /// `ids.npy` and `pieces.txt`, as another tokenizer would leave them.
    private func tokens() throws {
        try sandbox.succeed(["prepare", "--input", "book.txt", "--level", "word", "--output", "words"])
        let words = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: sandbox.path("words/vocabulary.json"))))
        let pieces = (words as! [String: Any])["tokens"] as! [String]
        _ = try sandbox.write(pieces.map { $0 + "\n" }.joined(), to: "pieces.txt")
        try FileManager.default.copyItem(atPath: sandbox.path("words/train.npy"), toPath: sandbox.path("ids.npy"))
    }

    private func program(_ name: String, _ text: String) throws {
        let path = try sandbox.write(text, to: name)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }

    func run(_ script: String) throws -> Launch.Outcome {
        var environment = Launch.mpiEnvironment
        let path = environment["PATH"] ?? ""
        let mpirun = try Launch.run("sh", ["-c", "command -v mpirun"])
        environment["LOCKSTEP"] = try Launch.product("lockstep")
        environment["MPIRUN"] = mpirun.output.trimmingCharacters(in: .newlines)
        environment["PATH"] = "\(sandbox.path("bin")):\(path)"
        return try Launch.run(
            "bash", ["-c", script], environment: environment, folder: sandbox.folder, timeout: isFull ? 7200 : 180)
    }
}
