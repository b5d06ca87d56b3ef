/// Columns two spaces apart, with text aligned left and numbers aligned right.
func table(_ rows: [[String]], textColumns: Set<Int>) -> String {
    let widths = (0..<(rows.first?.count ?? 0)).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
        let cells = row.enumerated().map { column, cell in
            let padding = String(repeating: " ", count: widths[column] - cell.count)
            return textColumns.contains(column) ? cell + padding : padding + cell
        }
        var line = cells.joined(separator: "  ")
        while line.last == " " { line.removeLast() }
        return line
    }.joined(separator: "\n")
}
