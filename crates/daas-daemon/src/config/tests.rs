use super::*;

const KEYS: &[Key] = &[
    Key { path: "api.port", kind: Kind::Number(1, 65535), env: &["DAAS_PORT"], default: "6443", doc: "" },
    Key { path: "api.key", kind: Kind::Secret, env: &[], default: "", doc: "" },
    Key { path: "k3s.cluster_cidr", kind: Kind::Cidr, env: &[], default: "\"10.42.0.0/16\"", doc: "" },
    Key { path: "log.format", kind: Kind::OneOf(&["human", "json"]), env: &[], default: "\"human\"", doc: "" },
    Key { path: "api.tls_cert", kind: Kind::Replaced("use api.sans"), env: &[], default: "", doc: "" },
    Key { path: "port", kind: Kind::Same("api.port"), env: &[], default: "", doc: "" },
    Key { path: "sui.event_filter", kind: Kind::Ignored("all events are read"), env: &[], default: "", doc: "" },
];

fn load(text: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded<Value>, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.yaml");
    std::fs::write(&file, text).unwrap();
    let own =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
    Sources { file: Some(file), env: own(env).into_iter().collect(), flags: own(flags) }.load(KEYS)
}

#[test]
fn later_layers_win() {
    let port = |text, env: &[_], flags: &[_]| load(text, env, flags).unwrap().config["api"]["port"].clone();
    assert_eq!(port("", &[], &[]), 6443);
    assert_eq!(port("api: {port: 1}", &[], &[]), 1);
    assert_eq!(port("api: {port: 1}", &[("DAAS_PORT", "2")], &[]), 2);
    assert_eq!(port("api: {port: 1}", &[("DAAS_PORT", "2")], &[("api.port", "3")]), 3);
}

#[test]
fn three_mistakes_are_three_messages() {
    let error =
        load("api: {prot: 1, tls_cert: /x}\nk3s: {cluster_cidr: 10.42.0.0}", &[("DAAS_PORT", "x")], &[]).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.0.len(), 4, "{text}");
    for part in
        ["api.prot", "did you mean `api.port`", "use api.sans", "10.42.0.0/16", "environment variable DAAS_PORT"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn secrets_are_masked_and_ignored_keys_warn() {
    let loaded = load("api: {key: hunter2}\nsui: {event_filter: x}", &[], &[]).unwrap();
    assert_eq!(loaded.shown["api.key"], "***");
    assert_eq!(loaded.config["api"]["key"], "hunter2");
    assert!(loaded.warnings[0].contains("sui.event_filter"));
}

#[test]
fn another_name_of_a_key_is_that_key() {
    let loaded = load("port: 7", &[], &[]).unwrap();
    assert_eq!(loaded.config["api"]["port"], 7);
    assert_eq!(loaded.shown["api.port"], 7);
    assert!(!loaded.shown.contains_key("port"));
    let flagged = load("port: 7", &[], &[("api.port", "8")]).unwrap();
    assert_eq!(flagged.config["api"]["port"], 8);
    // The same mistakes, by the key's own name.
    assert_eq!(load("port: x", &[], &[]).unwrap_err().0[0].key, "api.port");
    for both in ["port: 7\napi: {port: 7}", "api: {port: 7}\nport: 8"] {
        let error = load(both, &[], &[]).unwrap_err().to_string();
        assert!(error.contains("given twice"), "{error}");
    }
}

#[test]
fn a_broken_file_is_named() {
    let error = load("api: [", &[], &[]).unwrap_err().to_string();
    assert!(error.contains("c.yaml"), "{error}");
}
