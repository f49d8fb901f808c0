//! Configuration: defaults < file (JSON or YAML) < environment < flags, against a written list of keys.
//!
//! A list rather than a derive, because a person with three mistakes wants three messages: every unknown key and every
//! bad value of every layer is reported at once, each with where it came from. Keys that earlier documents promised and
//! that work differently now are in the list too, and are answered by name.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What a key's value must be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number in this range.
    Number(u64, u64),
    /// `ip:port`.
    SocketAddr,
    /// An IP address.
    Ip,
    /// `10.42.0.0/16`.
    Cidr,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of texts.
    List,
    /// A text that is never shown.
    Secret,
    /// Refused: the text says what replaces it.
    Replaced(&'static str),
    /// Accepted with a warning: the text says why it has no effect.
    Ignored(&'static str),
    /// Another name of this key.
    Same(&'static str),
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Dotted path, `api.port`.
    pub path: &'static str,
    /// What its value must be.
    pub kind: Kind,
    /// Environment variables that set it, the first being the one documented.
    pub env: &'static [&'static str],
    /// JSON text of the default; empty for none.
    pub default: &'static str,
    /// One line for the reference.
    pub doc: &'static str,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The key as written.
    pub key: String,
    /// The file, variable or flag it came from.
    pub origin: String,
    /// What is wrong and what to write instead.
    pub text: String,
}

/// All mistakes of all layers.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError(pub Vec<Mistake>);

/// A configuration that passed, and what to tell its owner.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The typed configuration.
    pub config: T,
    /// Things accepted without effect.
    pub warnings: Vec<String>,
    /// Every key with its value, secrets masked, for `/api/v1/config` and logs.
    pub shown: BTreeMap<String, Value>,
}

/// Where a configuration comes from.
#[derive(Debug, Default)]
pub struct Sources {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Flags as (path, value).
    pub flags: Vec<(String, String)>,
}

// === impl Sources ===

impl Sources {
    /// The process's environment and these flags.
    pub fn process(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Self {
        Self { file, env: std::env::vars().collect(), flags }
    }

    /// Loads and checks everything.
    pub fn load<T: DeserializeOwned>(&self, keys: &[Key]) -> Result<Loaded<T>, ConfigError> {
        let mut merge =
            Merge { keys, values: BTreeMap::new(), named: BTreeMap::new(), mistakes: vec![], warnings: vec![] };
        for key in keys.iter().filter(|k| !k.default.is_empty()) {
            let value = serde_json::from_str(key.default).expect("defaults in the key list must be JSON");
            merge.values.insert(key.path.to_owned(), value);
        }
        if let Some(file) = &self.file {
            merge.file(file);
        }
        for key in keys {
            if let Some((name, value)) = key.env.iter().find_map(|n| self.env.get(*n).map(|v| (n, v))) {
                merge.set(key.path, text_value(key, value), &format!("environment variable {name}"));
            }
        }
        for (path, value) in &self.flags {
            let key = keys.iter().find(|k| k.path == path);
            let value = key.map_or_else(|| Value::String(value.clone()), |k| text_value(k, value));
            merge.set(path, value, "command line");
        }
        merge.finish()
    }
}

struct Merge<'a> {
    keys: &'a [Key],
    values: BTreeMap<String, Value>,
    /// Where each key was last set.
    named: BTreeMap<String, String>,
    mistakes: Vec<Mistake>,
    warnings: Vec<String>,
}

impl Merge<'_> {
    fn file(&mut self, file: &Path) {
        let origin = file.display().to_string();
        let parsed = std::fs::read_to_string(file).map_err(|e| e.to_string()).and_then(|text| {
            if file.extension().is_some_and(|e| e == "json") {
                serde_json::from_str::<Value>(&text).map_err(|e| e.to_string())
            } else {
                serde_yaml_ng::from_str::<Value>(&text).map_err(|e| e.to_string())
            }
        });
        match parsed {
            Ok(Value::Object(map)) => self.walk("", &map, &origin),
            Ok(Value::Null) => {}
            Ok(_) => self.mistake("", &origin, "the file must be a mapping of keys to values"),
            Err(error) => self.mistake("", &origin, &error),
        }
    }

    fn walk(&mut self, prefix: &str, map: &Map<String, Value>, origin: &str) {
        for (name, value) in map {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value {
                Value::Object(inner) if !self.keys.iter().any(|k| k.path == path) => self.walk(&path, inner, origin),
                _ => self.set(&path, value.clone(), origin),
            }
        }
    }

    fn set(&mut self, path: &str, value: Value, origin: &str) {
        let Some(key) = self.keys.iter().find(|k| k.path == path) else {
            let near = nearest(path, self.keys).map(|k| format!("; did you mean `{k}`?")).unwrap_or_default();
            return self.mistake(path, origin, &format!("unknown key{near}"));
        };
        if let Kind::Same(other) = key.kind {
            return self.set(other, value, origin);
        }
        if self.named.insert(path.to_owned(), origin.to_owned()).as_deref() == Some(origin) {
            return self.mistake(path, origin, "is given twice, once under another name");
        }
        match key.kind {
            Kind::Replaced(instead) => self.mistake(path, origin, &format!("is not used: {instead}")),
            Kind::Ignored(why) => self.warnings.push(format!("{path} ({origin}) has no effect: {why}")),
            _ => match check(key.kind, &value) {
                Ok(()) => {
                    self.values.insert(path.to_owned(), value);
                }
                Err(text) => self.mistake(path, origin, &text),
            },
        }
    }

    fn mistake(&mut self, key: &str, origin: &str, text: &str) {
        self.mistakes.push(Mistake { key: key.to_owned(), origin: origin.to_owned(), text: text.to_owned() });
    }

    fn finish<T: DeserializeOwned>(mut self) -> Result<Loaded<T>, ConfigError> {
        if !self.mistakes.is_empty() {
            return Err(ConfigError(self.mistakes));
        }
        let mut tree = Value::Object(Map::new());
        for (path, value) in &self.values {
            insert(&mut tree, path, value.clone());
        }
        let config = match serde_json::from_value(tree) {
            Ok(config) => config,
            Err(error) => {
                self.mistake("", "configuration", &error.to_string());
                return Err(ConfigError(self.mistakes));
            }
        };
        let secret = |path: &str| self.keys.iter().any(|k| k.path == path && matches!(k.kind, Kind::Secret));
        let shown = self
            .values
            .iter()
            .map(|(path, value)| (path.clone(), if secret(path) { "***".into() } else { value.clone() }))
            .collect();
        Ok(Loaded { config, warnings: self.warnings, shown })
    }
}

fn insert(tree: &mut Value, path: &str, value: Value) {
    let Value::Object(map) = tree else { return };
    match path.split_once('.') {
        None => {
            map.insert(path.to_owned(), value);
        }
        Some((head, rest)) => {
            insert(map.entry(head).or_insert_with(|| Value::Object(Map::new())), rest, value);
        }
    }
}

/// Text from the environment or a flag, as the value its key wants.
fn text_value(key: &Key, text: &str) -> Value {
    match key.kind {
        Kind::Bool => text.parse::<bool>().map_or_else(|_| text.into(), Value::Bool),
        Kind::Number(..) => text.parse::<u64>().map_or_else(|_| text.into(), Value::from),
        Kind::List => text.split(',').filter(|s| !s.is_empty()).map(Value::from).collect::<Vec<_>>().into(),
        _ => text.into(),
    }
}

fn check(kind: Kind, value: &Value) -> Result<(), String> {
    let text = |what: &str| value.as_str().ok_or_else(|| format!("must be {what}, not {value}"));
    match kind {
        Kind::Text => text("a text").map(drop),
        Kind::Secret => value.as_str().map(drop).ok_or_else(|| "must be a text".to_owned()),
        Kind::Bool => value.as_bool().map(drop).ok_or_else(|| format!("must be true or false, not {value}")),
        Kind::Number(from, to) => match value.as_u64() {
            Some(n) if (from..=to).contains(&n) => Ok(()),
            _ => Err(format!("must be a whole number from {from} to {to}, not {value}")),
        },
        Kind::SocketAddr => parsed::<std::net::SocketAddr>(text("an address and port")?, "ip:port"),
        Kind::Ip => parsed::<std::net::IpAddr>(text("an IP address")?, "an IP address"),
        Kind::Cidr => cidr(text("a network")?),
        Kind::OneOf(words) => {
            let word = text("a word")?;
            if words.contains(&word) {
                Ok(())
            } else {
                Err(format!("must be one of {}, not `{word}`", words.join(", ")))
            }
        }
        Kind::List => match value.as_array() {
            Some(items) if items.iter().all(Value::is_string) => Ok(()),
            _ => Err(format!("must be a list of texts, not {value}")),
        },
        Kind::Replaced(_) | Kind::Ignored(_) | Kind::Same(_) => Ok(()),
    }
}

fn parsed<T: std::str::FromStr>(text: &str, what: &str) -> Result<(), String> {
    text.parse::<T>().map(drop).map_err(|_| format!("must be {what}, not `{text}`"))
}

fn cidr(text: &str) -> Result<(), String> {
    let error = || format!("must be a network such as 10.42.0.0/16, not `{text}`");
    let (ip, bits) = text.split_once('/').ok_or_else(error)?;
    let ip: std::net::IpAddr = ip.parse().map_err(|_| error())?;
    let bits: u8 = bits.parse().map_err(|_| error())?;
    if bits <= if ip.is_ipv4() { 32 } else { 128 } { Ok(()) } else { Err(error()) }
}

/// The known key with the same last part, or the fewest differing characters.
fn nearest<'a>(path: &str, keys: &'a [Key]) -> Option<&'a str> {
    let last = path.rsplit('.').next().unwrap_or(path);
    let differing = |k: &str| {
        let same = k.chars().zip(path.chars()).filter(|(a, b)| a == b).count();
        k.len().max(path.len()) - same
    };
    let live = || keys.iter().filter(|k| !matches!(k.kind, Kind::Replaced(_) | Kind::Ignored(_)));
    live()
        .find(|k| k.path.rsplit('.').next() == Some(last))
        .or_else(|| live().filter(|k| differing(k.path) <= 2).min_by_key(|k| differing(k.path)))
        .map(|k| k.path)
}

// === impl ConfigError ===

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Mistake { key, origin, text }) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            if key.is_empty() {
                write!(f, "{separator}{origin}: {text}")?;
            } else {
                write!(f, "{separator}{key} ({origin}): {text}")?;
            }
        }
        Ok(())
    }
}

/// The key list as a Markdown table, for the reference.
pub fn reference(keys: &[Key]) -> String {
    let head = "| key | environment | default | meaning |\n| --- | --- | --- | --- |\n";
    let row = |key: &Key| {
        let doc = match key.kind {
            Kind::Replaced(instead) => format!("Refused: {instead}"),
            Kind::Ignored(why) => format!("No effect: {why}"),
            Kind::Same(other) => format!("Another name of `{other}`."),
            Kind::OneOf(words) => format!("{} One of {}.", key.doc, words.join(", ")),
            _ => key.doc.to_owned(),
        };
        format!("| `{}` | {} | {} | {doc} |\n", key.path, key.env.join(", "), key.default)
    };
    std::iter::once(head.to_owned()).chain(keys.iter().map(row)).collect()
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
