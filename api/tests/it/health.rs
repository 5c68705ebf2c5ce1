use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;

use serde_json::Value;

use crate::{api, signal};

/// The served port, from the line that names it.
fn serve() -> (Child, impl BufRead, u16) {
    let mut child = api(&[]).env("PORT", "0").spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    lines.read_line(&mut text).unwrap();
    text.clear();
    lines.read_line(&mut text).unwrap();
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["message"], "listening");
    let port = line["port"].as_u64().unwrap().try_into().unwrap();
    (child, lines, port)
}

fn ask(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn serves_health_until_the_stop() {
    let (mut child, mut lines, port) = serve();
    for (request, status, body) in [
        ("GET /health", "200 OK", r#"{"status":"ok"}"#),
        ("HEAD /health", "200 OK", ""),
        (
            "POST /health",
            "405 Method Not Allowed",
            r#"{"error":"method not allowed"}"#,
        ),
        ("GET /", "404 Not Found", r#"{"error":"not found"}"#),
    ] {
        let answer = ask(port, request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{answer}"
        );
        assert!(
            answer.contains("\r\ncontent-type: application/json\r\n"),
            "{answer}"
        );
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
    }
    // A connection that is kept open but asks nothing does not hold up the end.
    let _idle = TcpStream::connect(("127.0.0.1", port)).unwrap();
    signal(&child, "TERM");
    let mut text = String::new();
    lines.read_to_string(&mut text).unwrap();
    assert!(text.contains(r#""message":"stop requested""#), "{text}");
    assert!(text.contains(r#""outcome":"success""#), "{text}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
