extension RunConfiguration {
    /// `docs/configuration.md`: every key with what stands beside it in `settings`.
    public static var page: String { introduction + groups.map(section).joined() }

    private static let introduction = """
        # Configuration

        <!-- Written by `lockstep configuration-page`; the texts stand in Sources/Configuration. A test compares. -->

        A run is described by YAML. Settings come from the defaults below, then from the file of `--config`, then from each
        `--set key.path=value` in turn; the complete result is kept in `RUN/config.yaml`. To see it without training:

        ```sh
        lockstep train --config configs/quickstart.yaml --set training.epochs=5 --print-config
        ```

        What is printed loads back to the same configuration, so it is also a way to begin a file of your own.

        - A file names only what it changes, in any order, nested (`model: {hidden: 512}`) as the dotted names say.
        - Unknown keys are refused with the nearest valid one, and so are keys given twice, values of another type or out of
          range, and values that contradict each other. YAML anchors that are referred to are refused; a file may have 16 KiB.
        - `--set` takes YAML too: `--set training.steps=null`, `--set 'model={cell: gru, layers: 1}'`.
        - Giving `training.clip` replaces all of it: `clip: {value: 1}` clips by value only, `clip: {}` not at all.
        - **Fixed** settings cannot change when a run is resumed, since they decide shapes, streams or random numbers. Other
          changes are printed and apply from the resumed step on.

        """

    /// The paths of the groups that hold keys, in the order of the file.
    private static var groups: [[String]] {
        var groups: [[String]] = []
        for setting in settings {
            let group = Array(setting.path.dropLast())
            if !groups.contains(group) { groups.append(group) }
        }
        return groups
    }

    private static func section(_ group: [String]) -> String {
        let rows = settings.filter { $0.path.dropLast() == group[...] }.map { setting in
            let fixed = setting.isStructural ? " **Fixed.**" : ""
            let value = setting.scalar(RunConfiguration())
            return "| `\(setting.dotted)` | `\(value)` | \(setting.expected) | \(setting.unit) | \(setting.meaning)\(fixed) |\n"
        }
        return """

            ## `\(group.joined(separator: "."))`

            | key | default | may be | unit | meaning |
            |---|---|---|---|---|
            \(rows.joined())
            """
    }
}
