//! Plain HTTP to the sandbox on this machine, and a stand-in server with one answer.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use super::keys::{self, Who};

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// One request to `http://127.0.0.1:PORT`; the connection is closed after it. To a sandbox of the tests
/// it comes with the sandbox's own secrets, whatever it has of the kind.
pub fn request(
    endpoint: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let Some(keys) = keys::of(endpoint) else {
        return stranger(endpoint, method, path, headers, body);
    };
    let given = headers.iter().find(|(name, _)| is_authorization(name));
    let others: Vec<(&str, &str)> = headers
        .iter()
        .copied()
        .filter(|(name, _)| !is_authorization(name))
        .collect();
    if path.starts_with("/_") {
        let token = format!("Bearer {}", keys.github_token);
        let all = [&others[..], &[("Authorization", token.as_str())]].concat();
        return stranger(endpoint, method, path, &all, body);
    }
    if path.starts_with("/v2/") {
        let login = keys.login();
        let all = [&others[..], &[("Authorization", login.as_str())]].concat();
        return stranger(endpoint, method, path, &all, body);
    }
    // Terraform's state and the holds, unless the call says another service.
    let service = given.and_then(|(_, value)| value.split('/').nth(3));
    let service = service.unwrap_or("s3");
    let url = format!("{endpoint}{path}");
    let signed = keys.signed(Who::Control, service, (method, &url), &others, body);
    let signed: Vec<(&str, &str)> = signed
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    stranger(endpoint, method, path, &signed, body)
}

fn is_authorization(name: &str) -> bool {
    name.eq_ignore_ascii_case("authorization")
}

/// The same by somebody who knows no secret.
pub fn stranger(
    endpoint: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let host = endpoint.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    write!(stream, "{head}\r\n{body}").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head
        .split_whitespace()
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_default();
    Answer {
        status,
        body: body.to_owned(),
    }
}

/// A server that gives every request the same answer; returns its address.
pub fn always_answering(status: u16, content_type: &str, body: &str) -> String {
    let body = body.to_owned();
    answering(content_type, move |_| (status, body.clone()))
}

/// A server that answers by what a request begins with: `PUT /path`; returns its address.
pub fn answering(
    content_type: &str,
    answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (content_type, answer) = (content_type.to_owned(), Arc::new(answer));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (content_type, answer) = (content_type.clone(), answer.clone());
            std::thread::spawn(move || {
                let mut request = [0; 16384];
                let length = stream.read(&mut request).unwrap_or_default();
                let request = String::from_utf8_lossy(&request[..length]);
                let (status, body) = answer(&request);
                let head = format!(
                    "HTTP/1.1 {status} Answer\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all((head + &body).as_bytes());
            });
        }
    });
    endpoint
}
