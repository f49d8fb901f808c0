//! K3s' releases: how a version is named, which of its files are wanted, where they lie, and what its list of checksums says.
//! Nothing here touches the network.

use std::fmt;
use std::str::FromStr;

use super::fetch::FetchError;
use super::version::Version;

/// Where K3s is released.
pub const RELEASES: &str = "https://github.com/k3s-io/k3s/releases/download";

/// A release, by its name. Whether there is one is another matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    version: Version,
}

/// Where files may be fetched from: by HTTPS from anywhere, and by plain HTTP from this machine alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    url: String,
    plain: bool,
}

/// The files of a release for one kind of machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) program: &'static str,
    pub(super) checksums: &'static str,
}

// === impl Release ===

impl Release {
    /// Its version.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The address of one of its files below a place. A plus sign in a path is one, but some servers take it for a blank.
    pub(super) fn file(&self, releases: &Place, name: &str) -> Place {
        let version = self.version.to_string().replace('+', "%2B");
        let url = format!("{}/{version}/{name}", releases.url.trim_end_matches('/'));
        Place { url, plain: releases.plain }
    }
}

impl FromStr for Release {
    type Err = FetchError;

    /// Such as `v1.36.2+k3s1` or `v1.37.0-rc1+k3s1`: it becomes part of an address, so nothing else is let through.
    fn from_str(text: &str) -> Result<Self, FetchError> {
        let unknown = || FetchError::NoRelease { text: text.chars().take(40).collect() };
        let number = |text: &str| !text.is_empty() && text.len() < 6 && text.bytes().all(|b| b.is_ascii_digit());
        let (kubernetes, build) =
            text.strip_prefix('v').and_then(|rest| rest.split_once("+k3s")).ok_or_else(unknown)?;
        let (numbers, candidate) = kubernetes.split_once("-rc").unwrap_or((kubernetes, "0"));
        let numbers: Vec<_> = numbers.split('.').collect();
        let named = numbers.len() == 3 && numbers.iter().chain([&candidate, &build]).all(|part| number(part));
        let version = named.then(|| Version::parse(text)).flatten().ok_or_else(unknown)?;
        if version.is_too_old() { Err(FetchError::TooOld { version }) } else { Ok(Self { version }) }
    }
}

// === impl Place ===

impl Place {
    /// As curl is told it: without quotation marks, backslashes and blanks.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Whether it is on this machine, and without TLS.
    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Where a server at this place sends on to. Nobody is led from HTTPS to less.
    pub(super) fn redirected(&self, to: &str) -> Result<Self, FetchError> {
        let next = Self::parse(to)?;
        if next.plain && !self.plain {
            return Err(FetchError::BadPlace { url: next.shown(), reason: "only HTTPS is followed from HTTPS" });
        }
        Ok(next)
    }

    /// Without what may be a secret.
    pub(super) fn shown(&self) -> String {
        self.url.split(['?', '#']).next().unwrap_or_default().to_owned()
    }

    fn parse(text: &str) -> Result<Self, FetchError> {
        let refused = |reason| FetchError::BadPlace {
            // A password in it is not repeated.
            url: text
                .split(['?', '#'])
                .flat_map(|part| part.rsplit('@'))
                .next()
                .unwrap_or_default()
                .chars()
                .take(200)
                .collect(),
            reason,
        };
        // RFC 3986 has neither of the two, and in curl's configuration they mean something.
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')) {
            return Err(refused("it is no address"));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| refused("it has to begin with https://"))?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // What is typed can be read by everyone on the machine.
        if authority.contains('@') {
            return Err(refused("a user and a password do not belong into it"));
        }
        if authority.is_empty() {
            return Err(refused("it names no host"));
        }
        let plain = match scheme {
            "https" => false,
            "http" if is_loopback(authority) => true,
            _ => return Err(refused("only HTTPS, or HTTP on this machine")),
        };
        Ok(Self { url: text.to_owned(), plain })
    }
}

impl FromStr for Place {
    type Err = FetchError;

    /// A place below which there is a folder for each release.
    fn from_str(text: &str) -> Result<Self, FetchError> {
        let place = Self::parse(text)?;
        if text.contains(['?', '#']) {
            return Err(FetchError::BadPlace { url: place.shown(), reason: "files cannot lie below it" });
        }
        Ok(place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    ["127.0.0.1", "::1", "localhost"].contains(&host)
}

// === impl Names ===

impl Names {
    /// Those for a machine of this architecture, by Rust's name of it.
    pub(super) fn of(architecture: &str) -> Option<Self> {
        match architecture {
            "x86_64" => Some(Self { program: "k3s", checksums: "sha256sum-amd64.txt" }),
            "aarch64" => Some(Self { program: "k3s-arm64", checksums: "sha256sum-arm64.txt" }),
            _ => None,
        }
    }

    /// The program's SHA-256, as the list of checksums has it: once, and in the form in which we write it.
    pub(super) fn checksum(self, list: &str) -> Option<String> {
        let of_line = |line: &str| {
            let mut words = line.split_ascii_whitespace();
            let (hash, name) = (words.next()?, words.next()?);
            let named = name.trim_start_matches('*') == self.program && words.next().is_none();
            (named && is_hash(hash)).then(|| hash.to_ascii_lowercase())
        };
        let mut hashes = list.lines().filter_map(of_line);
        let hash = hashes.next()?;
        hashes.all(|other| other == hash).then_some(hash)
    }
}

/// Whether it is a SHA-256 in hex.
pub(super) fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_a_release_becomes_an_address() {
        let github: Place = RELEASES.parse().unwrap();
        let file = |text: &str| text.parse::<Release>().map(|release| release.file(&github, "k3s").url);
        let expected = "https://github.com/k3s-io/k3s/releases/download/v1.36.2%2Bk3s1/k3s";
        assert_eq!(file("v1.36.2+k3s1").unwrap(), expected);
        assert!(file("v1.37.0-rc1+k3s12").is_ok());
        for bad in ["", "1.36.2+k3s1", "v1.36.2", "v1.36+k3s1", "v1.36.2+k3s", "v1.36.2+k3s1/../x", "v1.36.x+k3s1"] {
            assert!(matches!(file(bad), Err(FetchError::NoRelease { .. })), "{bad}");
        }
        for bad in ["v1.36.2-rc+k3s1", "v1.36.2+k3s1 ", "v../../+k3s1", "v1.36.2+k3s1?x", "-v1.36.2+k3s1"] {
            assert!(matches!(file(bad), Err(FetchError::NoRelease { .. })), "{bad}");
        }
        for old in ["v1.35.9+k3s1", "v0.99.0+k3s1"] {
            assert!(matches!(file(old), Err(FetchError::TooOld { .. })), "{old}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for good in ["https://mirror.example/k3s", "http://127.0.0.1:8000", "http://[::1]:1/x", "http://localhost/"] {
            assert!(good.parse::<Place>().is_ok(), "{good}");
        }
        for bad in [
            "http://mirror.example",
            "http://127.0.0.1.example/",
            "http://localhost@mirror.example",
            "https://user:secret@mirror.example",
            "file:///etc/passwd",
            "mirror.example",
            "https://",
            "https://mirror.example/?a=b",
            "https://mirror.example/ -o /etc/passwd",
            "https://mirror.example/\"x",
            "https://mirror.example/\\x",
        ] {
            let error = bad.parse::<Place>().unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn nobody_is_led_from_https_to_less() {
        let https: Place = RELEASES.parse().unwrap();
        let local: Place = "http://127.0.0.1:8000".parse().unwrap();
        let signed = "https://objects.example/k3s?signature=secret";
        assert_eq!(https.redirected(signed).unwrap().shown(), "https://objects.example/k3s");
        assert!(https.redirected("http://127.0.0.1:8000/k3s").is_err());
        assert!(https.redirected("http://objects.example/k3s").is_err());
        assert!(local.redirected("http://localhost:8001/k3s").is_ok());
        assert!(local.redirected(signed).is_ok_and(|next| !next.is_plain()));
        assert!(local.redirected("http://objects.example/k3s").is_err());
        assert!(local.redirected("file:///etc/shadow").is_err());
    }

    #[test]
    fn a_checksum_is_this_files_and_one() {
        let names = Names::of("aarch64").unwrap();
        let (ours, other) = ("A".repeat(64), "b".repeat(64));
        let list = format!("{other}  k3s-airgap-images-arm64.tar.zst\n{ours}  k3s-arm64\n{other}  k3s\n");
        assert_eq!(names.checksum(&list), Some("a".repeat(64)));
        assert_eq!(Names::of("x86_64").unwrap().checksum(&list), Some(other.clone()));
        assert_eq!(names.checksum(&format!("{ours} *k3s-arm64\n{ours}  k3s-arm64\n")), Some("a".repeat(64)));
        for bad in ["", "k3s-arm64", &format!("{ours}0  k3s-arm64"), &format!("{ours}  k3s-arm64.sig")] {
            assert_eq!(names.checksum(bad), None, "{bad}");
        }
        assert_eq!(names.checksum(&format!("{ours}  k3s-arm64\n{other}  k3s-arm64\n")), None, "which one?");
        assert_eq!(Names::of("riscv64"), None);
    }
}
