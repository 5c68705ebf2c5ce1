//! What the attribute accepts, and what it says of everything else.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::expand;

fn expansion(name: &str, function: &str) -> Result<String, String> {
    let name = name.parse().unwrap();
    let function = function.parse().unwrap();
    expand(name, function)
        .map(|tokens| tokens.to_string())
        .map_err(|error| error.to_string())
}

#[test]
fn registers_the_name_the_doc_comment_and_the_arguments() {
    let tokens = expansion(
        r#""import-claims""#,
        "/// Imports claims\n/// from S3.\n///\n/// More.\n\
         async fn main(arguments: my::Arguments, context: Context) -> Result<()> { Ok(()) }",
    )
    .unwrap();
    assert!(tokens.contains(r#"name : "import-claims""#), "{tokens}");
    assert!(
        tokens.contains(r#"doc : "Imports claims from S3.""#),
        "{tokens}"
    );
    assert!(
        tokens.contains("| arguments : my :: Arguments , context"),
        "{tokens}"
    );
    assert!(
        tokens.contains("main (arguments , context) . await"),
        "{tokens}"
    );
}

#[test]
fn leaves_out_what_a_function_does_not_take() {
    for (parameters, call) in [("", "main ()"), ("context: Context", "main (context)")] {
        let function = format!("/// Says hello.\nasync fn main({parameters}) -> Result<()> {{}}");
        let tokens = expansion(r#""hello""#, &function).unwrap();
        assert!(tokens.contains(call), "{tokens}");
        assert!(tokens.contains("NoArguments"), "{tokens}");
    }
}

#[test]
fn explains_a_wrong_signature() {
    let cases = [
        (
            "fn main() -> Result<()> {}",
            "a background task is an `async fn`: add `async`",
        ),
        ("struct Main;", "a background task is an `async fn`"),
        (
            "async fn main() {}",
            "a background task returns `anyhow::Result<()>` or `anyhow::Result<Exit>`",
        ),
        (
            "async fn main<T>() -> Result<()> {}",
            "a background task has no generic parameters",
        ),
        (
            "/// Doc.\nasync fn main(a: A, b: B, c: C) -> Result<()> {}",
            "a background task takes nothing, `(context: Context)` or `(arguments: Arguments, \
             context: Context)`",
        ),
        (
            "async fn main() -> Result<()> {}",
            "a background task needs a doc comment: it is its line in `api --list`",
        ),
    ];
    for (function, message) in cases {
        assert_eq!(
            expansion(r#""hello""#, function).unwrap_err(),
            message,
            "{function}"
        );
    }
}

#[test]
fn explains_a_wrong_name() {
    let function = "/// Doc.\nasync fn main() -> Result<()> {}";
    for name in ["", "hello", "1"] {
        let message = "expected the task's name: `#[background_task(\"my-new-task-name\")]`";
        assert_eq!(expansion(name, function).unwrap_err(), message, "{name}");
    }
    for name in [
        "",
        "Hello",
        "hello_world",
        "-hello",
        "hello-",
        "a--b",
        "1st",
        "a b",
        "--list",
    ] {
        let message = expansion(&format!("{name:?}"), function).unwrap_err();
        assert!(
            message.starts_with(&format!("`{name}` cannot name a task")),
            "{message}"
        );
    }
}
