/// What the ranks of a machine share out among themselves.
package enum RankSplit: String, Sendable, CaseIterable {
    /// Each computes streams of its own.
    case streams
    /// All compute the same streams, each some hidden units and tokens.
    case units
    /// One of these, as the shapes say.
    case auto
}

/// Which ranks of a machine are a team, where they share units.
package enum TeamExtent: Sendable, Equatable {
    case machine
    /// Those whose processors share a last-level cache.
    case cache
    /// This number of neighbouring ranks; all where there are fewer.
    case ranks(Int)
}

/// How gradients are sent between machines; on one machine, nothing is sent. The initial values are a configuration's defaults.
package struct ExchangePlan: Sendable, Equatable {
    /// Whether each layer's gradients are sent as soon as they are complete, while the backward pass continues.
    package var overlap = true
    /// Whether only those rows of an untied embedding are sent that a step has read.
    package var sparse = true
    package var wire = WireFormat.float32
    package var split = RankSplit.streams
    package var team = TeamExtent.machine

    package init() {}
}
