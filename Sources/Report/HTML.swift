import Diagnostics

/// A fragment of a page. Interpolated strings are escaped; literals and other fragments are inserted as
/// they are:
///
///     let cell: HTML = "<td>\(name)</td>"
package struct HTML: Sendable, Equatable, ExpressibleByStringInterpolation, CustomStringConvertible {
    package private(set) var description: String

    package init(stringLiteral value: String) { description = value }
    package init(stringInterpolation: StringInterpolation) { description = stringInterpolation.markup }

    package struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var markup = ""

        package init(literalCapacity: Int, interpolationCount: Int) {
            markup.reserveCapacity(literalCapacity + 16 * interpolationCount)
        }

        package mutating func appendLiteral(_ literal: String) { markup += literal }
        package mutating func appendInterpolation(_ html: HTML) { markup += html.description }
        package mutating func appendInterpolation(_ parts: [HTML]) { for part in parts { markup += part.description } }
        package mutating func appendInterpolation(_ text: some StringProtocol) { markup += HTML.escaped(text) }
        package mutating func appendInterpolation(_ number: Int) { markup += String(number) }
    }

    static func += (html: inout HTML, other: HTML) { html.description += other.description }

    /// Escaped for the text of an element and for a quoted attribute. Characters that HTML does not allow, and those that
    /// change the direction of the text around them, become replacement characters.
    private static func escaped(_ text: some StringProtocol) -> String {
        var result = ""
        for scalar in String(text).legible.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\n", "\t": result.unicodeScalars.append(scalar)
            case "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}": result += "\u{FFFD}"
            default:
                let isControl = scalar.properties.generalCategory == .control
                let isNoCharacter = scalar.value & 0xFFFE == 0xFFFE || 0xFDD0...0xFDEF ~= scalar.value
                result.unicodeScalars.append(isControl || isNoCharacter ? "\u{FFFD}" : scalar)
            }
        }
        return result
    }
}
