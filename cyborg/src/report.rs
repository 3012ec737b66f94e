//! The result of a command: text for people, JSON for programs, from one definition.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::OnceLock;

pub(crate) use cyborg_disk::files::size_shown as bytes;
pub(crate) use cyborg_miner::operator::check::span;
use cyborg_primitives::money::Cyb;
use serde_json::{Map, Value};

/// The result of a command.
#[derive(Default)]
pub(crate) struct CommandOutput {
    text: Vec<String>,
    json: Map<String, Value>,
}

impl CommandOutput {
    /// A field for both readers: the text shows `label  shown`, the JSON has `key: value`.
    pub(crate) fn field(
        &mut self,
        key: &str,
        value: impl Into<Value>,
        label: &str,
        shown: impl std::fmt::Display,
    ) -> &mut Self {
        self.json.insert(key.to_owned(), value.into());
        self.line(format!("{label:<24} {shown}"))
    }

    /// A field for programs only.
    pub(crate) fn json(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.json.insert(key.to_owned(), value.into());
        self
    }

    /// A line for people only.
    pub(crate) fn line(&mut self, line: impl Into<String>) -> &mut Self {
        self.text.push(printable(&line.into()));
        self
    }

    /// Prints the text that there is so far, for people who need not wait for the rest; programs get all at once.
    pub(crate) fn print_so_far(&mut self, json: bool) {
        if !json && !self.text.is_empty() {
            write(&self.text.join("\n"));
            self.text.clear();
        }
    }

    /// What programs read.
    pub(crate) fn into_json(self) -> Map<String, Value> {
        self.json
    }

    /// Prints the text, or the JSON on one line; nothing if the result is empty.
    pub(crate) fn print(self, json: bool) {
        match json {
            true if self.json.is_empty() => {}
            true => print_json(&Value::Object(self.json)),
            false if self.text.is_empty() => {}
            false => write(&self.text.join("\n")),
        }
    }
}

/// Prints a value on one line of standard output.
pub(crate) fn print_json(value: &Value) {
    // What JSON leaves as it is, a terminal may take for a command.
    let text = value.to_string().chars().fold(String::new(), |mut text, char| {
        if is_printed(char) {
            text.push(char);
        } else {
            let _ = write!(text, "\\u{:04x}", u32::from(char));
        }
        text
    });
    write(&text);
}

/// Prints a line on standard output, with what is not printed escaped.
pub(crate) fn print_line(text: &str) {
    write(&printable(text));
}

/// Why something that was printed is lost.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Writes on standard output. A reader that went away (`cyborg … | head`) is not an error, a full disk is.
fn write(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error);
    }
}

/// Why something that was printed is lost; `None` if nothing is.
pub(crate) fn lost() -> Option<&'static io::Error> {
    LOST.get()
}

/// A line as a terminal may show it. Names come from files, peers and the chain: what would move the cursor,
/// change colours or turn the direction of writing is shown as `\x1b`, `\r`, `\u{202e}`.
pub(crate) fn printable(line: &str) -> String {
    line.chars().fold(String::with_capacity(line.len()), |mut text, char| {
        match char {
            _ if is_printed(char) => text.push(char),
            '\0'..='\x7f' if !matches!(char, '\t' | '\n' | '\r') => {
                let _ = write!(text, "\\x{:02x}", u32::from(char));
            }
            _ => text.extend(char.escape_default()),
        }
        text
    })
}

/// Whether a character only shows itself.
fn is_printed(char: char) -> bool {
    let turns = matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(char, '\u{2028}' | '\u{2029}');
    !(char.is_control() || turns || breaks)
}

/// An amount of money as people read it: four significant digits. The JSON has it exactly.
pub(crate) fn cyb(amount: u128) -> String {
    let digits = amount.checked_ilog10().unwrap_or(0);
    let unit = 10_u128.pow(digits.saturating_sub(3));
    // Half to the greater: nobody is told less than it is by more than half of the last digit.
    let digits = amount / unit + u128::from(amount % unit >= unit.div_ceil(2) && unit > 1);
    Cyb(digits.checked_mul(unit).unwrap_or(amount)).to_string()
}

/// Seconds as people read them.
pub(crate) fn seconds(seconds: f64) -> String {
    match seconds {
        ..1e-3 => format!("{:.1} µs", seconds * 1e6),
        ..1.0 => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cyb, cyb, printable};

    #[test]
    fn money_has_four_digits() {
        for (amount, shown) in [
            (0, "0 CYB"),
            (1, "0.000000000001 CYB"),
            (36_112_049, "0.00003611 CYB"),
            (41_549_999_999, "0.04155 CYB"),
            (999_960_000_000, "1 CYB"),
            (1_234_567_890_123_456, "1235 CYB"),
            (12_345_678_901_234_567, "12350 CYB"),
        ] {
            assert_eq!(cyb(amount), shown);
        }
        assert_eq!(cyb(u128::MAX), Cyb(u128::MAX).to_string());
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(printable("Größe ×2 – ok"), "Größe ×2 – ok");
        assert_eq!(printable("y\x1b[8m\rz\n\t\u{9b}\u{202e}\x7f"), r"y\x1b[8m\rz\n\t\u{9b}\u{202e}\x7f");
    }
}
