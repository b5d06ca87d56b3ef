import ArgumentParser
import Configuration
import Files

/// The configuration of the run that a command starts, measures, verifies or plans.
struct ConfigurationOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The configuration file (YAML). Default: a resumed run's own, else the built-in defaults.", valueName: "file"), completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @Option(help: ArgumentHelp("The dataset folder; the same as --set data.path=FOLDER.", valueName: "folder"), completion: .directory)
    var data: String?

    @Option(name: .customLong("set"), help: ArgumentHelp("Override a setting, as in model.hidden=512. May be given several times.", valueName: "key=value"), completion: .settings)
    var overrides: [String] = []

    /// What the command line changes in the file, in order.
    var settings: [String] {
        (data.map { ["data.path=\(Folder.withoutSlash($0).yamlScalar)"] } ?? []) + overrides
    }

    /// - Throws: `ConfigurationError`.
    func load() throws -> RunConfiguration { try RunConfiguration.load(file: config, overrides: settings) }
}
