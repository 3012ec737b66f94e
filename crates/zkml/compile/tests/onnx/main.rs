//! The importer against a judge that knows nothing of it: ONNX's own backend node tests of every operator that we
//! claim, and random graphs that ONNX's reference ran. `scripts/onnx-tests.sh` writes both into the target folder.
//!
//! | module | content |
//! |---|---|
//! | `folder` | where the cases are, and whether they are this checkout's |
//! | `judge` | one case: read, run in floats, compile, run in integers, compare |
//! | `exceptions` | cases that are known to be wrong |
//! | `coverage` | `coverage.md`, which says of each operator how many cases are right |

mod coverage;
mod exceptions;
mod folder;
mod judge;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rayon::prelude::*;
use zkml_testkit::fixtures::{self, Outcome};

use exceptions::{Known, known};
use judge::{Answer, Verdict, judge};

/// Set to write `coverage.md` and the list of operators anew.
const WRITE: &str = "CYBORG_WRITE_COVERAGE";

/// A case and what became of it.
struct Judged {
    name: String,
    operators: Vec<String>,
    verdict: Verdict,
}

/// Judges every case of a folder, in the order of their names.
fn judged(set: &str) -> Outcome<Vec<Judged>> {
    let folder = folder::cases()?.join(set);
    let names = fixtures::names(&folder)?;
    names
        .into_par_iter()
        .map(|name| {
            let fixture = fixtures::read(&folder, &name)?;
            let judging = AssertUnwindSafe(|| judge(&fixture));
            let verdict = catch_unwind(judging).unwrap_or_else(|_| Verdict::wrong("a panic"));
            Ok(Judged { name, operators: fixture.operators, verdict })
        })
        .collect()
}

/// What of a case nobody expected: that it is wrong, or that it is not, though an exception says so.
fn unexpected(case: &Judged) -> Option<String> {
    let Judged { name, verdict, .. } = case;
    let (float, what) = match (&verdict.float, &verdict.integer) {
        (Answer::Wrong(what), _) => (true, Some(what)),
        (_, Answer::Wrong(what)) => (false, Some(what)),
        _ => (false, None),
    };
    let executor = if float { "in floats" } else { "in integers" };
    match (known(name), what) {
        (None, None) => None,
        (None, Some(what)) => Some(format!("{name}: wrong {executor}: {what}")),
        (Some((known, _)), Some(_)) if (known == Known::Float) == float => None,
        (Some((known, _)), Some(what)) => {
            Some(format!("{name}: {known:?} to its exception, wrong {executor}: {what}"))
        }
        (Some((_, why)), None) => {
            Some(format!("{name}: not wrong any more; strike it off the exceptions ({why})"))
        }
    }
}

/// Exceptions for cases that there are not.
fn strays(cases: &[Judged]) -> impl Iterator<Item = String> {
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    let listed = exceptions::EXCEPTIONS.iter().flat_map(|exception| exception.cases);
    listed
        .filter(move |name| !names.contains(**name))
        .map(|name| format!("{name}: an exception, but no case"))
}

#[test]
fn the_importer_computes_what_onnx_says() -> Outcome<()> {
    let (nodes, graphs) = (judged("nodes")?, judged("graphs")?);
    let page = coverage::page(&nodes, &graphs);
    let cases: Vec<Judged> = nodes.into_iter().chain(graphs).collect();
    let mut problems: Vec<String> = cases.iter().filter_map(unexpected).chain(strays(&cases)).collect();
    problems.extend(folder::differs("tests/onnx/coverage.md", &page)?);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

#[test]
fn every_operator_of_the_importer_is_tested() -> Outcome<()> {
    let opsets = zkml_float::onnx::OPSETS;
    let mut operators: Vec<&str> = zkml_float::exec::operators().collect();
    operators.sort_unstable();
    let versions = format!("operator sets {} to {}", opsets.start(), opsets.end());
    let claims = format!("{versions}\n{}\n", operators.join("\n"));
    folder::differs("../../../scripts/onnx_tests/claims.txt", &claims)?
        .map_or(Ok(()), |problem| Err(problem.into()))
}
