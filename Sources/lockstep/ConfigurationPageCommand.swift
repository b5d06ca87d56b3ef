import ArgumentParser
import Configuration

/// For developers: `lockstep configuration-page > docs/configuration.md` after a change of the settings.
struct ConfigurationPageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "configuration-page", abstract: "Print docs/configuration.md.", shouldDisplay: false)

    func run() { print(RunConfiguration.page, terminator: "") }
}
