import Kernels

/// Where a line ends, something happens to a stream's state: a separator as the condition that truncates back-propagation.
/// docs/mathematics.md (34a).
///
/// The token that ends a line is the first that the next line reads: from it the line's first token is predicted. So the state is
/// cut, or is zero, before that token is read.
package struct LineEnd: Sendable, Equatable {
    package enum Rule: String, Sendable, CaseIterable {
        /// Nothing: the token is one like others.
        case carry
        /// The state is carried on, but no gradient passes.
        case cut
        /// The state is zero, so that a line does not depend on those before it.
        case reset
    }

    /// The token that ends a line.
    package let token: Int32
    package let rule: Rule

    /// Nil if nothing happens.
    package init?(token: Int32, rule: Rule) {
        if rule == .carry { return nil }
        self.token = token
        self.rule = rule
    }
}

/// Where lines, or whole sequences, start in a chunk.
package struct LineStarts {
    let rule: LineEnd.Rule
    /// Not zero where a stream reads the token that ended its last line, or a sequence's first.
    let marks: UnsafePointer<Int32>  // [T, B]

    /// The starts of whole sequences, whose state is zero.
    init(sequences marks: UnsafePointer<Int32>) {
        rule = .reset
        self.marks = marks
    }

    /// Marks a chunk's lines.
    /// - Parameter inputs: [T, B], `count` tokens.
    init(_ lineEnd: LineEnd, inputs: UnsafePointer<Int32>, count: Int, marks: Integers) {
        for row in 0..<count { marks[row] = inputs[row] == lineEnd.token ? 1 : 0 }
        rule = lineEnd.rule
        self.marks = UnsafePointer(marks.base)
    }
}
