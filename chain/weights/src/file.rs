//! The file that a pallet's weights are written to.

use crate::fit::{Fit, Plane};
use anyhow::Result;
use std::fmt::Write;

const IMPORTS: &str = "\
#![allow(missing_docs, reason = \"the names are the benchmarks', which say what they measure\")]

use core::marker::PhantomData;
use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_support::weights::constants::RocksDbWeight;
use polkadot_sdk::frame_support::weights::{RuntimeDbWeight, Weight};
use polkadot_sdk::frame_system;
";

/// Digits in groups of three.
fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

fn parameters(fit: &Fit) -> String {
    let parameters: Vec<String> = fit.components.iter().map(|(name, _, _)| format!("{name}: u32")).collect();
    parameters.join(", ")
}

fn slope(plane: &Plane, index: usize) -> u128 {
    plane.slopes.get(index).copied().unwrap_or(0)
}

/// Terms of a component, for all that it adds to.
fn terms(fit: &Fit, index: usize, name: &str) -> String {
    let mut text = String::new();
    let (time, proof) = (slope(&fit.time, index), slope(&fit.proof_bytes, index));
    let (reads, writes) = (slope(&fit.reads, index), slope(&fit.writes, index));
    if time > 0 || proof > 0 {
        let weight = format!("Weight::from_parts({}, {})", grouped(time), grouped(proof));
        text += &format!(".saturating_add({weight}.saturating_mul({name}.into()))\n");
    }
    if reads > 0 || writes > 0 {
        text +=
            &format!(".saturating_add(db.reads_writes({reads}, {writes}).saturating_mul({name}.into()))\n");
    }
    text
}

fn function(fit: &Fit) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "/// At least {} µs.", grouped(fit.least_time / 1_000_000))?;
    for (name, least, most) in &fit.components {
        let (least, most) = (grouped((*least).into()), grouped((*most).into()));
        writeln!(text, "/// `{name}` was measured from {least} to {most}.")?;
    }
    if !fit.items.is_empty() {
        writeln!(text, "///\n/// | item | reads | writes |\n/// |---|---|---|")?;
    }
    for (item, reads, writes) in &fit.items {
        writeln!(text, "/// | `{item}` | {reads} | {writes} |")?;
    }
    let (mut arguments, mut sum) = (String::new(), String::new());
    for (index, (name, _, _)) in fit.components.iter().enumerate() {
        let terms = terms(fit, index, name);
        arguments += &format!(", {}{name}: u32", if terms.is_empty() { "_" } else { "" });
        sum += &terms;
    }
    writeln!(text, "fn {}(db: RuntimeDbWeight{arguments}) -> Weight {{", fit.name)?;
    writeln!(text, "Weight::from_parts({}, {})", grouped(fit.time.base), grouped(fit.proof_bytes.base))?;
    writeln!(text, ".saturating_add(db.reads_writes({}, {}))", fit.reads.base, fit.writes.base)?;
    writeln!(text, "{sum}}}")?;
    Ok(text)
}

fn implementation(fits: &[Fit], whose: &str, db: &str) -> Result<String> {
    let mut text = format!("{whose} {{\n");
    for fit in fits {
        let name = &fit.name;
        let arguments: String =
            fit.components.iter().map(|(component, _, _)| format!(", {component}")).collect();
        writeln!(text, "fn {name}({}) -> Weight {{ {name}({db}{arguments}) }}", parameters(fit))?;
    }
    writeln!(text, "}}")?;
    Ok(text)
}

/// The weights of a pallet as Rust, not yet formatted. `note` says when and on what they were measured.
///
/// # Errors
/// Never returns an error in practice: writing to a string cannot fail.
pub(crate) fn weights(pallet: &str, note: &str, fits: &[Fit]) -> Result<String> {
    let mut text = format!("//! What the parts of `{pallet}` cost: measured, not written by hand.\n//!\n");
    writeln!(text, "//! `scripts/weights.sh`, {note}\n{IMPORTS}")?;
    writeln!(text, "/// What the benchmarks measure.\npub trait WeightInfo {{")?;
    for fit in fits {
        writeln!(text, "fn {}({}) -> Weight;", fit.name, parameters(fit))?;
    }
    writeln!(text, "}}\n")?;
    for fit in fits {
        writeln!(text, "{}", function(fit)?)?;
    }
    writeln!(
        text,
        "/// Weights with the database of a runtime.\npub struct SubstrateWeight<T>(PhantomData<T>);\n"
    )?;
    let runtime = "impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T>";
    writeln!(text, "{}", implementation(fits, runtime, "T::DbWeight::get()")?)?;
    write!(text, "{}", implementation(fits, "impl WeightInfo for ()", "RocksDbWeight::get()")?)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        assert_eq!([0, 12, 123, 1_234, 1_234_567].map(grouped), ["0", "12", "123", "1_234", "1_234_567"]);
    }

    #[test]
    fn terms_are_those_that_cost_something() -> Result<()> {
        let plane = |base, slopes: &[u128]| Plane { base, slopes: slopes.to_vec() };
        let fit = Fit {
            name: "submit".to_owned(),
            components: vec![("n".to_owned(), 1, 16), ("p".to_owned(), 0, 9)],
            time: plane(5_000, &[70, 0]),
            least_time: 4_000_000,
            reads: plane(3, &[2, 0]),
            writes: plane(1, &[0, 0]),
            proof_bytes: plane(90, &[0, 0]),
            items: vec![("Tasks::Tasks".to_owned(), 1, 1)],
        };
        let text = function(&fit)?;
        assert!(text.contains("fn submit(db: RuntimeDbWeight, n: u32, _p: u32) -> Weight {"), "{text}");
        assert!(text.contains("Weight::from_parts(5_000, 90)"), "{text}");
        assert!(text.contains("from_parts(70, 0).saturating_mul(n.into())"), "{text}");
        assert!(text.contains("db.reads_writes(2, 0).saturating_mul(n.into())"), "{text}");
        assert!(!text.contains("p.into()"), "{text}");
        Ok(())
    }
}
