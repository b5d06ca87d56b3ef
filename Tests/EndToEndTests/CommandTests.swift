import Testing

/// What a user meets who runs `lockstep`. One test at a time: most start several ranks, on few cores.
@Suite(.serialized) struct CommandTests {}
