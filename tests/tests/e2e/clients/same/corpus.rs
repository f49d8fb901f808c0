use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// A request as a client sent it, but for its credential.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) version: Version,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// All that were recorded.
pub(super) fn recorded() -> Result<Vec<Asked>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/requests.jsonl.gz");
    let output = Command::new("gzip").arg("-dc").arg(&file).output()?;
    ensure!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)?.lines().map(|line| Asked::parse(line).context(line.to_owned())).collect()
}

/// How many of each client.
pub(super) fn clients(asked: &[Asked]) -> String {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for one in asked {
        let agent = one.headers.get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or("kube-rs");
        let end =
            agent.match_indices(['/', ' ']).map(|(at, _)| at).find(|at| !agent.starts_with("kubectl/") || *at > 10);
        *count.entry(agent.get(..end.unwrap_or(agent.len())).unwrap_or(agent)).or_default() += 1;
    }
    count.iter().map(|(client, count)| format!("{client} {count}")).collect::<Vec<_>>().join(", ")
}

/// Base64, as kubeconfigs have it.
pub(super) fn decode(text: &str) -> Result<Vec<u8>> {
    Ok(STANDARD.decode(text)?)
}

// === impl Asked ===

impl Asked {
    fn parse(line: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(line)?;
        let text = |name: &str| value[name].as_str().with_context(|| format!("no {name}"));
        let mut headers = HeaderMap::new();
        for pair in value["headers"].as_array().context("no headers")? {
            let [name, value] = [0, 1].map(|n| pair[n].as_str().unwrap_or_default());
            headers.append(HeaderName::try_from(name)?, HeaderValue::from_str(value)?);
        }
        Ok(Self {
            version: if value["version"] == 2 { Version::HTTP_2 } else { Version::HTTP_11 },
            method: text("method")?.parse()?,
            path: text("path")?.to_owned(),
            headers,
            body: decode(text("body")?)?.into(),
        })
    }

    /// For a message.
    pub(super) fn name(&self) -> String {
        format!("{:?} {} {} {:?}", self.version, self.method, self.path, self.headers)
    }

    /// The same, so that it changes nothing, names no version of another cluster's, and ends.
    pub(super) fn harmless(mut self) -> Self {
        let reads = matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let mut pairs: Vec<(&str, &str)> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .collect();
        let watches = pairs.iter().any(|(name, value)| *name == "watch" && matches!(*value, "1" | "true"));
        pairs.retain(|(name, _)| *name != "dryRun" && !(watches && *name == "timeoutSeconds"));
        for (name, value) in &mut pairs {
            if *name == "resourceVersion" && value.len() < 10 && !value.is_empty() {
                *value = "0";
            }
        }
        if watches {
            pairs.push(("timeoutSeconds", "1"));
        }
        if !reads {
            pairs.push(("dryRun", "All"));
        }
        let query = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let path = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        if self.method == Method::DELETE && !self.body.is_empty() {
            // The options in a body hide those of the query.
            let mut options: Value = serde_json::from_slice(&self.body).unwrap_or_else(|_| json!({}));
            options["dryRun"] = json!(["All"]);
            self.headers.insert("content-type", HeaderValue::from_static("application/json"));
            self.body = options.to_string().into();
        }
        self.path = path;
        self
    }

    /// A body as it is compared: what would be made by a mutation gets an id of its own each time, so ids count as one.
    pub(super) fn comparable(&self, body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        if self.method == Method::GET {
            return body;
        }
        if self.path.contains("/selfsubjectrulesreviews") {
            // The API server gives the rules in another order each time.
            body.sort_unstable();
            return body;
        }
        let shape = |part: &[u8]| {
            part.iter().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
        };
        let mut at = 0;
        while let Some(part) = body.get_mut(at..at + 36) {
            if shape(part) {
                part.fill(b'0');
                at += 36;
            } else {
                at += 1;
            }
        }
        body
    }
}
