//! The page: what it shows as typed, and as printed.

/// Where it is.
pub(crate) const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/machine-owner.md");

/// Each mistake with what is typed and what is said then.
pub(crate) struct Page(Vec<(String, String, String)>);

// === impl Page ===

impl Page {
    pub(crate) fn read() -> Self {
        let text = std::fs::read_to_string(PATH).unwrap();
        let sections = text.split("\n### ").skip(1);
        Self(sections.map(section).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn typed(&self, mistake: &str) -> &str {
        &self.of(mistake).1
    }

    pub(crate) fn shown(&self, mistake: &str) -> &str {
        &self.of(mistake).2
    }

    fn of(&self, mistake: &str) -> &(String, String, String) {
        let found = self.0.iter().find(|(title, ..)| title.starts_with(mistake));
        found.unwrap_or_else(|| panic!("the page has no section `{mistake}`"))
    }
}

/// Its title, the first line of its first block without the prompt, and the block's rest.
fn section(text: &str) -> (String, String, String) {
    let title = text.lines().next().unwrap_or_default().to_owned();
    let block = text.split("```console\n").nth(1).and_then(|rest| rest.split("\n```").next());
    let block = block.unwrap_or_else(|| panic!("{title}: no block"));
    let (typed, shown) = block.split_once('\n').unwrap_or_else(|| panic!("{title}: nothing is printed"));
    let typed = typed.strip_prefix("$ ").unwrap_or_else(|| panic!("{title}: no prompt"));
    (title, typed.to_owned(), shown.to_owned())
}

/// The number before each `mark`, replaced.
pub(crate) fn digits(text: &str, mark: &str, shown: &str) -> String {
    let mut parts: Vec<String> = text.split(mark).map(str::to_owned).collect();
    let last = parts.len().saturating_sub(1);
    for part in &mut parts[..last] {
        let kept = part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        if kept < part.len() {
            part.truncate(kept);
            part.push_str(shown);
        }
    }
    parts.join(mark)
}
