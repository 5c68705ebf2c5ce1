use super::*;

/// Whether a push that changes this one file starts a workflow with these patterns under `paths`.
fn starts(patterns: &[&str], file: &str) -> bool {
    let patterns = patterns
        .iter()
        .map(|text| Pattern::parse(text).unwrap())
        .collect();
    Filter::Paths(patterns).starts(file)
}

/// From GitHub's cheat sheet, and what it leaves to be concluded.
#[test]
fn a_pattern_matches_as_on_github() {
    let cases: &[(&[&str], &[&str], &[&str])] = &[
        (&["*"], &["README.md", ".cargo"], &["docs/file.txt"]),
        (&["**"], &["README.md", "all/the/files.md"], &[]),
        (&["*.js"], &["app.js"], &["js/app.js", "app.jsx"]),
        (&["**.js"], &["index.js", "src/js/app.js"], &["app.rs"]),
        (
            &["docs/*"],
            &["docs/README.md"],
            &["docs/a/b.md", "x/docs/a.md", "docs"],
        ),
        (
            &["docs/**"],
            &["docs/README.md", "docs/mona/octocat.txt"],
            &["docs.md"],
        ),
        (
            &["docs/**/*.md"],
            &["docs/README.md", "docs/mona/hello.md", "docs/a/b.md"],
            &["docs/a/b.txt", "README.md"],
        ),
        (
            &["**/docs/**"],
            &["docs/hello.md", "dir/docs/my-file.txt"],
            &["dir/doc/a"],
        ),
        (
            &["**/README.md"],
            &["README.md", "js/README.md"],
            &["README.mdx"],
        ),
        (
            &["**/migrate-*.sql"],
            &["migrate-10909.sql", "db/sept/migrate-v1.sql"],
            &["db/migrate.sql"],
        ),
        (&["*.jsx?"], &["page.js", "page.jsx"], &["page.jsxx"]),
        (&["v+1"], &["v1", "vvv1"], &["1"]),
        (
            &["[CB]at"],
            &["Cat", "Bat"],
            &["at", "cat", "CBat", "[CB]at"],
        ),
        (
            &["v[0-9]+.[a-c]"],
            &["v1.a", "v20.c"],
            &["v.a", "v1.d", "v1.aa", "v1xa"],
        ),
        (&["a\\*b", "c.d"], &["a*b", "c.d"], &["axb", "cxd"]),
        (&["/api/**", "./api/**"], &[], &["api/x.rs"]),
        (&["é*"], &["éa", "é"], &["e"]),
        (&["!docs/**"], &[], &["docs/a.md", "api/x.rs"]),
        (
            &["*.md", "!README.md"],
            &["hello.md"],
            &["README.md", "docs/hello.md"],
        ),
        // The last one that matches decides.
        (
            &["*.md", "!README.md", "README*"],
            &["hello.md", "README.md", "README.doc"],
            &[],
        ),
        (&["a!b"], &["a!b"], &["ab"]),
    ];
    for (patterns, start, start_not) in cases {
        for file in *start {
            assert!(starts(patterns, file), "{patterns:?} and {file}");
        }
        for file in *start_not {
            assert!(!starts(patterns, file), "{patterns:?} but {file}");
        }
    }
}

#[test]
fn what_is_no_pattern_is_not_guessed_at() {
    for text in [
        "?a", "+", "**?", "*+", "a??", "[", "[]", "[z-a]", "[a/]", "[-]", "a\\",
    ] {
        let error = Pattern::parse(text).unwrap_err().to_string();
        assert_eq!(error, format!("`{text}` is no pattern of GitHub's"));
    }
}

#[test]
fn the_filter_is_found_however_yaml_writes_it() {
    let api = || {
        ["api/**", "!api/docs/**"]
            .map(|text| Pattern::parse(text).unwrap())
            .into()
    };
    let cases = [
        ("on: push", Filter::All),
        ("on: [pull_request, push]", Filter::All),
        ("on:\n- push\n", Filter::All),
        ("on: {push: }", Filter::All),
        ("on:\n  push:\n    branches: [main]", Filter::All),
        // Another event's filter.
        (
            "on:\n  push:\n  pull_request:\n    paths: [api/**]",
            Filter::All,
        ),
        (
            "on:\n  push:\n    paths:\n    - api/** # the image\n    - '!api/docs/**'",
            Filter::Paths(api()),
        ),
        (
            "\"on\": {\"push\": {\"paths\": [\"api/**\", \"!api/docs/**\"]}}",
            Filter::Paths(api()),
        ),
        (
            "on:\n  pull_request:\n    paths: &read [api/**, '!api/docs/**']\n  push:\n    paths: *read",
            Filter::Paths(api()),
        ),
        (
            "on: {push: {paths: docs/**}}",
            Filter::Paths(vec![Pattern::parse("docs/**").unwrap()]),
        ),
        (
            "on: {push: {paths-ignore: [docs/**]}}",
            Filter::Ignored(vec![Pattern::parse("docs/**").unwrap()]),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(Filter::of(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn a_workflow_that_nobody_can_read_is_not_guessed_at() {
    let cases = [
        ("", "not one YAML document"),
        ("on: push\n---\non: push", "not one YAML document"),
        ("on: [push", "reading it as YAML"),
        ("on: {push: {paths: *unknown}}", "reading it as YAML"),
        ("jobs: {}", "no push starts it"),
        ("on: [workflow_dispatch, pull_request]", "no push starts it"),
        ("on:\n  workflow_dispatch:", "no push starts it"),
        ("on: {push: {paths: }}", "not a list of patterns"),
        ("on: {push: {paths: []}}", "not a list of patterns"),
        ("on: {push: {paths: [[api/**]]}}", "not a list of patterns"),
        ("on: {push: {paths: ['a[']}}", "`a[` is no pattern"),
        (
            "on: {push: {paths: [a], paths-ignore: [b]}}",
            "both `paths` and `paths-ignore`",
        ),
        ("on: {push: {paths-ignore: ['!b']}}", "`!`"),
    ];
    for (text, why) in cases {
        let error = format!("{:#}", Filter::of(text).unwrap_err());
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn a_folder_is_left_out_when_one_file_below_it_is() {
    let read = ["Cargo.lock", "api/", "api/macros/", "crates/shared/"];
    let read = read.map(str::to_owned).into();
    let cases: &[(&str, &[&str])] = &[
        ("paths: [api/**, crates/**, Cargo.*]", &[]),
        (
            "paths: [api/**, Cargo.toml]",
            &["Cargo.lock", "crates/shared/"],
        ),
        // Not below the folder's own folders; not beside them.
        (
            "paths: ['**/*', '!crates/shared/*/**']",
            &["crates/shared/"],
        ),
        (
            "paths: [api/*, crates/shared/src/**, Cargo.lock]",
            &["api/", "crates/shared/"],
        ),
        ("paths: ['**', '!api/macros/**']", &["api/macros/"]),
        ("paths-ignore: ['**.md', docs/**]", &[]),
        (
            "paths-ignore: [crates/**, '**.lock']",
            &["Cargo.lock", "crates/shared/"],
        ),
    ];
    for (filter, expected) in cases {
        let filter = Filter::of(&format!("on:\n  push:\n    {filter}")).unwrap();
        assert_eq!(filter.left_out(&read), *expected, "{filter:?}");
    }
    let none = Filter::of("on: {push: {paths: [src/**]}}").unwrap();
    assert_eq!(none.left_out(&[String::new(), "api/".into()].into()), [""]);
}
