//! The result of a command: text for people, JSON for programs, from one definition.

use std::io::{self, Write};

use serde_json::{Map, Value};

pub(crate) use cyborg_disk::files::size_shown as bytes;

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
        self.text.push(line.into());
        self
    }

    /// Prints the text, or the JSON on one line; nothing if the result is empty.
    pub(crate) fn print(self, json: bool) {
        if self.text.is_empty() && self.json.is_empty() {
            return;
        }
        if json {
            print_json(&Value::Object(self.json));
        } else {
            print_line(&self.text.join("\n"));
        }
    }
}

/// Prints a value on one line of standard output.
pub(crate) fn print_json(value: &Value) {
    print_line(&value.to_string());
}

/// Prints a line on standard output. A reader that went away (`cyborg … | head`) is not an error.
pub(crate) fn print_line(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Seconds as people read them.
pub(crate) fn seconds(seconds: f64) -> String {
    match seconds {
        ..1e-3 => format!("{:.1} µs", seconds * 1e6),
        ..1.0 => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}
