//! The support bundle is cleaned of secrets.
//!
//! A URL may hold a secret, such as an operator's token for a chain node: only its scheme, host and port
//! are kept. The path of a folder is not secret. The key of a bucket is in no setting; the bucket's service
//! may repeat it in an answer, so the bundle is cleaned of it as well.

use reqwest::Url;

/// Shorter parts of a URL are not secret, and may be words of a sentence.
const LEAST_SECRET: usize = 6;
/// Stands for what is left out.
const LEFT_OUT: &str = "[left out]";

/// What must not be shown, and what stands for it.
#[derive(Default)]
pub struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// The secrets in these URLs, and these keys.
    pub fn of<'a>(urls: impl IntoIterator<Item = &'a str>, keys: impl IntoIterator<Item = String>) -> Self {
        let keys = keys.into_iter().filter(|key| key.len() >= LEAST_SECRET);
        let mut parts: Vec<_> = keys.map(|key| (key, LEFT_OUT.to_owned())).collect();
        urls.into_iter().for_each(|url| secret_parts(url, &mut parts));
        // The longest first: a part may contain another.
        parts.sort_by_key(|(part, _)| std::cmp::Reverse(part.len()));
        Self(parts)
    }

    /// A text without them.
    #[must_use]
    pub fn cleaned(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (part, shown)| text.replace(part.as_str(), shown))
    }
}

fn secret_parts(url: &str, parts: &mut Vec<(String, String)>) {
    let Ok(parsed) = Url::parse(url) else { return };
    if parsed.scheme() == "file" {
        return;
    }
    let path = parsed.path();
    let plain = path.len() <= 1
        && parsed.query().is_none()
        && parsed.fragment().is_none()
        && parsed.username().is_empty()
        && parsed.password().is_none();
    if plain {
        return;
    }
    let host = parsed.host_str().unwrap_or_default();
    let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
    let shown = format!("{}://{host}{port}/{LEFT_OUT}", parsed.scheme());
    parts.push((url.to_owned(), shown.clone()));
    parts.push((parsed.as_str().to_owned(), shown));
    // A message may contain a part alone.
    let alone = [Some(parsed.username()), parsed.password(), parsed.query(), parsed.fragment()];
    for part in alone.into_iter().flatten().chain(path.split('/')) {
        if part.len() >= LEAST_SECRET {
            parts.push((part.to_owned(), LEFT_OUT.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_host_and_port_of_a_secret_url_stay() {
        let clean = |node: &str, text: &str| Secrets::of([node], []).cleaned(text);
        let node = "wss://user:password1@rpc.example:443/v1/abcdef123?key=xyz9876";
        assert_eq!(
            clean(node, &format!("no node at {node}: x")),
            format!("no node at wss://rpc.example/{LEFT_OUT}: x")
        );
        assert_eq!(
            clean(node, "GET /v1/abcdef123 as password1"),
            format!("GET /v1/{LEFT_OUT} as {LEFT_OUT}")
        );
        let gateway = "cess+https://gateway.example/abcdef123/?territory=ourterritory";
        assert_eq!(clean(gateway, gateway), format!("cess+https://gateway.example/{LEFT_OUT}"));
        let refused = "https://gateway.example/abcdef123 refused: territory ourterritory";
        let cleaned = format!("https://gateway.example/{LEFT_OUT} refused: territory ourterritory");
        assert_eq!(clean(gateway, refused), cleaned);
        let folder = "file:///srv/storage/models cannot be read: no models there";
        assert_eq!(clean("file:///srv/storage/models", folder), folder);
        for plain in ["ws://127.0.0.1:9944", "wss://rpc.example/", "s3://models", "nonsense"] {
            assert_eq!(clean(plain, plain), plain);
        }
    }

    #[test]
    fn keys_are_left_out_unless_they_may_be_words() {
        let secrets = Secrets::of([], ["AKIA123456".to_owned(), "key".to_owned()]);
        assert_eq!(secrets.cleaned("the key AKIA123456"), format!("the key {LEFT_OUT}"));
    }
}
