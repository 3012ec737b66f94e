//! Columns for people to read.

use crate::report::CommandOutput;

/// Adds a table to a report, for people only: columns as wide as their widest cell.
pub(crate) fn lines<const N: usize>(report: &mut CommandOutput, head: [&str; N], rows: &[[String; N]]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut line = |cells: [&str; N]| {
        let padded: Vec<String> =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        report.line(padded.join("  ").trim_end());
    };
    line(head);
    rows.iter().for_each(|row| line(std::array::from_fn(|column| row[column].as_str())));
}
