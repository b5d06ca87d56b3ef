import ArgumentParser

@main
struct Lockstep: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lockstep",
        abstract: "Train recurrent language models on CPUs, on one machine or a cluster, exactly and fast.",
        subcommands: [PrepareCommand.self])
}
