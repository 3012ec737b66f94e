//! Links and headings of Markdown files: enough of the syntax to find what is broken.

/// Every inline link target outside of code, with its line number.
pub(crate) fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, content) in prose(text) {
        let content = without_code(content);
        let mut rest = content.as_str();
        while let Some(start) = rest.find("](") {
            rest = &rest[start + 2..];
            let Some(end) = rest.find(')') else { break };
            let target = rest[..end].split_whitespace().next().unwrap_or_default();
            found.push((line, target.to_owned()));
            rest = &rest[end..];
        }
    }
    found
}

/// The anchors of every heading, as GitHub makes them.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for (_, content) in prose(text) {
        let level = content.bytes().take_while(|&byte| byte == b'#').count();
        if !(1..=6).contains(&level) || content.as_bytes().get(level) != Some(&b' ') {
            continue;
        }
        let base: String = content[level..]
            .trim()
            .chars()
            .filter_map(|character| match character {
                ' ' => Some('-'),
                '-' | '_' => Some(character),
                _ if character.is_alphanumeric() => Some(character.to_ascii_lowercase()),
                _ => None,
            })
            .collect();
        let repeats = anchors
            .iter()
            .filter(|anchor| {
                anchor.strip_prefix(&base).is_some_and(|rest| {
                    rest.is_empty() || rest.strip_prefix('-').is_some_and(|n| n.parse::<usize>().is_ok())
                })
            })
            .count();
        anchors.push(if repeats == 0 { base } else { format!("{base}-{repeats}") });
    }
    anchors
}

/// The lines outside of fenced code, numbered from one.
pub(crate) fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        (!fenced).then_some((index + 1, line))
    })
}

/// A line without its `inline code`.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("")
}

#[cfg(test)]
mod tests {
    use super::{anchors, links};

    #[test]
    fn links_outside_of_code_are_found() {
        let text = "[a](x.md) and [b](y.md#z \"title\")\n```\n[c](no.md)\n```\n`[d](no.md)`";
        assert_eq!(links(text), [(1, "x.md".to_owned()), (1, "y.md#z".to_owned())]);
    }

    #[test]
    fn anchors_follow_githubs_rules() {
        let text = "# Big `Title`, twice!\n## Big Title twice\n#no heading\n";
        assert_eq!(anchors(text), ["big-title-twice", "big-title-twice-1"]);
    }
}
