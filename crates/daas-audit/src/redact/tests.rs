use super::*;
use proptest::prelude::*;

fn target(method: &str, path: &str, query: Option<&str>) -> [String; 7] {
    let what = What::of(method, path, query);
    let target = what.target();
    let all = [
        &target.verb,
        &target.group,
        &target.version,
        &target.namespace,
        &target.resource,
        &target.subresource,
        &target.name,
    ];
    all.map(ToString::to_string)
}

/// The API server's own reading of paths, as its `RequestInfo` tests have it.
#[test]
fn paths_mean_what_the_api_server_makes_of_them() {
    let table: &[(&str, &str, [&str; 7])] = &[
        ("GET", "/api/v1/namespaces", ["list", "", "v1", "", "namespaces", "", ""]),
        ("GET", "/api/v1/namespaces/other", ["get", "", "v1", "other", "namespaces", "", "other"]),
        ("GET", "/api/v1/namespaces/other//", ["get", "", "v1", "other", "namespaces", "", "other"]),
        ("GET", "/api/v1/namespaces/other/pods", ["list", "", "v1", "other", "pods", "", ""]),
        ("GET", "/api/v1/namespaces/other/pods/foo", ["get", "", "v1", "other", "pods", "", "foo"]),
        ("HEAD", "/api/v1/namespaces/other/pods/foo", ["get", "", "v1", "other", "pods", "", "foo"]),
        ("GET", "/api/v1/pods", ["list", "", "v1", "", "pods", "", ""]),
        ("HEAD", "/api/v1/pods", ["list", "", "v1", "", "pods", "", ""]),
        ("GET", "/api/v1/watch/pods", ["watch", "", "v1", "", "pods", "", ""]),
        ("GET", "/api/v1/watch/namespaces/other/pods", ["watch", "", "v1", "other", "pods", "", ""]),
        ("GET", "/api/v1/namespaces/other/pods/foo/status", ["get", "", "v1", "other", "pods", "status", "foo"]),
        ("PUT", "/api/v1/namespaces/other/finalize", ["update", "", "v1", "other", "namespaces", "finalize", "other"]),
        ("PUT", "/api/v1/namespaces/other/status", ["update", "", "v1", "other", "namespaces", "status", "other"]),
        ("PATCH", "/api/v1/namespaces/other/pods/foo", ["patch", "", "v1", "other", "pods", "", "foo"]),
        ("DELETE", "/api/v1/namespaces/other/pods/foo", ["delete", "", "v1", "other", "pods", "", "foo"]),
        ("DELETE", "/api/v1/nodes", ["deletecollection", "", "v1", "", "nodes", "", ""]),
        ("POST", "/apis/apps/v1/namespaces/a/deployments", ["create", "apps", "v1", "a", "deployments", "", ""]),
        ("GET", "/apis/a.b/v2/things/x/scale", ["get", "a.b", "v2", "", "things", "scale", "x"]),
        ("GET", "/api/v1/proxy/namespaces/a/pods/foo", ["proxy", "", "v1", "a", "pods", "", "foo"]),
        ("GET", "/healthz", ["get", "", "", "", "", "", ""]),
        ("POST", "/api/v1", ["post", "", "", "", "", "", ""]),
        ("GET", "/apis/apps", ["get", "", "", "", "", "", ""]),
        ("GET", "/", ["get", "", "", "", "", "", ""]),
    ];
    for (method, path, expected) in table {
        assert_eq!(&target(method, path, None).each_ref().map(String::as_str), expected, "{method} {path}");
    }
    assert_eq!(target("GET", "/api/v1/pods", Some("watch=1"))[0], "watch");
    assert_eq!(target("GET", "/api/v1/pods", Some("watch"))[0], "watch");
    assert_eq!(target("GET", "/api/v1/pods", Some("watch=false&watch=true"))[0], "list");
    assert_eq!(target("GET", "/api/v1/namespaces/%61/pods", None)[3], "a");
    assert_eq!(target("GET", "/api/v1/namespaces/%2561/pods", None)[3], "%61");
    let exec = ["get", "", "v1", "a", "pods", "exec", "b"];
    for path in ["pods/b%2Fexec", "pods%2fb/exec", "pods/b/e%78ec"].map(|end| format!("/%61pi/v1/n%61mespaces/a/{end}"))
    {
        assert_eq!(target("GET", &path, None).each_ref().map(String::as_str), exec, "{path}");
        let what = What::of("GET", &path, None);
        assert!(what.mutates() && what.path() == path, "{what:?}");
    }
    let proxied = What::of("GET", "/api/v1/namespaces/a/pods/web%2Fproxy/login/bob", None);
    assert!(proxied.mutates() && !proxied.path().contains("bob"), "{proxied:?}");
}

#[test]
fn only_listed_parameters_are_kept() {
    let what = What::of("GET", "/api/v1/pods", Some("limit=500&token=secret&labelSelector=a%3Db&=&fieldManager"));
    let kept: Vec<_> = what.query().collect();
    assert_eq!(kept, [("limit", "500"), ("labelSelector", "a=b"), ("fieldManager", "")]);
    assert_eq!((what.withheld(), what.command()), (2, None));
    assert!(KEPT.is_sorted(), "the list is searched as a sorted one");
}

#[test]
fn a_command_is_its_digest_and_its_arguments_are_apart() {
    let of = |query| What::of("POST", "/api/v1/namespaces/a/pods/b/exec", Some(query)).command().unwrap();
    assert_eq!(of("command=rm&command=-rf+%2F"), Digest::of_bytes(b"\x02\x02rm\x05-rf /"));
    assert_eq!(of("command=rm&stdin=true&command=-rf%20/"), of("command=rm&command=-rf+%2F"));
    assert_ne!(of("command=a&command=b"), of("command=ab"));
    let what = What::of("POST", "/api/v1/namespaces/a/pods/b/exec", Some("command=topsecret"));
    assert!(!format!("{what:?}").contains("topsecret"));
}

#[test]
fn what_an_application_is_asked_is_its_own_business() {
    let path = "/api/v1/namespaces/a/services/web:80/proxy/login/bob";
    let what = What::of("GET", path, None);
    let tail = Digest::of_bytes(b"/login/bob");
    assert_eq!(what.path(), format!("/api/v1/namespaces/a/services/web:80/proxysha256:{tail}"));
    let old = What::of("GET", "/api/v1/proxy/namespaces/a/services/web/login/bob/x", None);
    assert!(!old.path().contains("bob/x"), "{}", old.path());
    assert_eq!(
        What::of("GET", "/api/v1/namespaces/a/pods/b/proxy/", None).path(),
        "/api/v1/namespaces/a/pods/b/proxy/"
    );
}

#[test]
fn a_token_in_the_wrong_place_is_not_written_down() {
    let secret = "0123456789abcdef".repeat(4);
    let jwt = format!("eyJ{}.{}", "a".repeat(60), "b".repeat(20));
    let ours = format!("daas1.{}", "C-_".repeat(30));
    for token in [&secret, &jwt, &ours] {
        let path = format!("/api/v1/namespaces/a/secrets/{token}");
        let query = format!("labelSelector=x={token},fieldSelector&fieldManager={token}");
        let what = What::of("GET", &path, Some(&query));
        let all = format!("{what:?}");
        assert!(!all.contains(token.as_str()), "{all}");
        assert!(all.contains(&Digest::of_bytes(token.as_bytes()).to_string()), "{all}");
    }
    let uid =
        "/api/v1/namespaces/a/pods/3c5ad0be-9bd5-4f5f-8a5c-0a6a2f9b1f4e-and-more-to-make-it-longer-than-sixty-four";
    assert_eq!(What::of("GET", uid, None).path(), uid);
}

#[test]
fn a_cut_says_what_was_cut() {
    assert_eq!(bounded("abc", 3), "abc");
    assert_eq!(bounded("abcd", 3), format!("abc…sha256:{}", Digest::of_bytes(b"abcd")));
    assert_eq!(bounded("aüü", 2), format!("a…sha256:{}", Digest::of_bytes("aüü".as_bytes())));
}

proptest! {
    #[test]
    fn decoding_is_what_encoding_was(text in "\\PC{0,40}") {
        let encoded = text.bytes().fold(String::new(), |encoded, byte| format!("{encoded}%{byte:02X}"));
        prop_assert_eq!(decoded(&encoded, true), text.as_str());
    }

    /// A token of any form, in any place, is in no part of what is kept.
    #[test]
    fn no_token_is_kept(token in "[0-9a-f]{64}", before in "[/=&a-z%]{0,20}[/=&%]", after in "([/=&,][/=&a-z%]{0,20})?") {
        let part = format!("{before}{token}{after}");
        let what = What::of("GET", &part, Some(&part));
        // `%ab` may take the first characters away; what is left is no token.
        prop_assert!(!format!("{what:?}").contains(&token), "{:?}", what);
    }
}
