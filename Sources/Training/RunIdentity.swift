import Checkpoints

/// The identity of a run: its configuration, data and program, as stored in its checkpoints.
package struct RunIdentity: Sendable {
    package var folder: String
    /// The complete configuration, YAML.
    package var configuration: String
    package var programVersion: String
    package var vocabularyPath: String
    package var vocabularyHash: String
    /// SHA-256 by file name.
    package var datasetFiles: [String: String]
    /// What its parameters started from, beside random numbers.
    package var origins: [Manifest.Origin]
    /// By id; nil for a model that predicts tokens.
    package var labels: [String]?

    package init(
        folder: String, configuration: String, programVersion: String, vocabularyPath: String, vocabularyHash: String,
        datasetFiles: [String: String], origins: [Manifest.Origin] = [], labels: [String]? = nil
    ) {
        self.folder = folder
        self.configuration = configuration
        self.programVersion = programVersion
        self.vocabularyPath = vocabularyPath
        self.vocabularyHash = vocabularyHash
        self.datasetFiles = datasetFiles
        self.origins = origins
        self.labels = labels
    }
}
