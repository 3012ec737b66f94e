//! The page that says of each operator how many cases are right: generated, committed, and compared.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::Judged;
use crate::exceptions::{Known, known};
use crate::judge::Answer;

/// Counts of one row.
#[derive(Default)]
struct Row {
    cases: usize,
    float: usize,
    integer: usize,
    coarse: usize,
    wrong: usize,
    refused: BTreeMap<String, usize>,
}

impl Row {
    fn add(&mut self, case: &Judged) {
        self.cases += 1;
        self.float += usize::from(matches!(case.verdict.float, Answer::Right));
        self.integer += usize::from(matches!(case.verdict.integer, Answer::Right));
        match (&case.verdict.float, &case.verdict.integer) {
            (Answer::Refused(reason), _) | (Answer::Right, Answer::Refused(reason)) => {
                *self.refused.entry(reason.clone()).or_default() += 1;
            }
            (Answer::Right, Answer::Right) => {}
            _ if known(&case.name).is_some_and(|(known, _)| known == Known::Coarse) => self.coarse += 1,
            _ => self.wrong += 1,
        }
    }

    fn line(&self, name: &str) -> String {
        let Self { cases, float, integer, coarse, wrong, refused } = self;
        let count: usize = refused.values().sum();
        let mut reasons: Vec<(&String, &usize)> = refused.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let reasons: Vec<String> = reasons
            .into_iter()
            .map(|(reason, count)| format!("{} ({count})", reason.replace('|', "\\|")))
            .collect();
        format!(
            "| {name} | {cases} | {float} | {integer} | {coarse} | {wrong} | {count} | {} |\n",
            reasons.join("; ")
        )
    }
}

const HEAD: &str = "\
# What the importer does with ONNX's own tests

Written by `tests/onnx` and compared with what the cases show. *Float* and *integers*: cases of which all outputs are
right. *Coarse*: of integers, with an error beyond the tolerance. *Wrong*: another function, and nobody says so.
`exceptions.rs` names both. A refused case has a reason: of the float model or, where that is right, of the integer
graph.

";
const COLUMNS: &str = "\
| Cases | Number | Float | Integers | Coarse | Wrong | Refused | Reasons |
|---|---|---|---|---|---|---|---|
";

/// The page.
pub(crate) fn page(nodes: &[Judged], graphs: &[Judged]) -> String {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let (mut all, mut random) = (Row::default(), Row::default());
    for case in nodes {
        all.add(case);
        rows.entry(case.operators.first().map_or("", String::as_str)).or_default().add(case);
    }
    graphs.iter().for_each(|case| random.add(case));
    all.refused = BTreeMap::from([("below".into(), all.refused.values().sum())]);
    let mut page = format!("{HEAD}{COLUMNS}{}{}", all.line("all node tests"), random.line("random graphs"));
    // Writing to a text cannot fail.
    let _ = write!(page, "\n## Node tests by operator\n\n{COLUMNS}");
    rows.iter().for_each(|(name, row)| page.push_str(&row.line(name)));
    page
}
