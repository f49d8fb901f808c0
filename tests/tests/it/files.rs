//! What holds for the checkout as a whole.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ must be in the checkout").to_owned()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every path that ARCHITECTURE.md sends a reader to exists.
#[test]
fn the_architecture_names_files_that_exist() {
    let text = text("ARCHITECTURE.md");
    let mut checked = 0;
    for word in text.split('`').skip(1).step_by(2) {
        if word.contains('/') && !word.contains(['…', ' ']) {
            let word = word.split(['<', '*']).next().unwrap();
            let path = if word.starts_with("daas-") { format!("crates/{word}") } else { word.to_owned() };
            assert!(root().join(&path).exists(), "{path} does not exist");
            checked += 1;
        }
    }
    assert!(checked >= 40, "only {checked} paths were found");
}

/// Both languages of the README promise the same commands.
#[test]
fn the_readmes_agree() {
    let commands = |name: &str| -> Vec<String> {
        let text = text(name);
        let inside = text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
        inside
            .flat_map(|block| block.lines().map(|l| l.split('#').next().unwrap().trim().to_owned()).collect::<Vec<_>>())
            .collect()
    };
    assert_eq!(commands("README.md"), commands("README.ko.md"));
}
