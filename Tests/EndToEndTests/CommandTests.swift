import Testing

/// `lockstep` as a user runs it. One test at a time: most start several ranks on few cores.
@Suite(.serialized) struct CommandTests {}
