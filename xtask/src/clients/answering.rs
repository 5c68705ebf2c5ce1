//! A server with the answers that a test gives it, in the place of AWS or of a registry: for what a
//! sandbox that is well cannot be brought to say.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::aws::Aws;
use crate::names::EnvironmentName;
use crate::sandbox::address::Address;
use crate::sandbox::engine::Engine;
use crate::sandbox::keys::Keys;
use crate::settings::Environment;

/// Status, further headers with their line ends, and body.
pub type Answer = (u16, &'static str, String);

pub struct Server {
    pub port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Each request, from its method to the end of its body, gets the answer to its number, which
    /// counts from 0. No answer: the connection is closed.
    pub fn start(answer: impl Fn(usize, &str) -> Option<Answer> + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let Some(request) = read(&mut client) else {
                    continue;
                };
                let number = seen.lock().unwrap().len();
                seen.lock().unwrap().push(request.clone());
                if let Some((status, headers, body)) = answer(number, &request) {
                    // It fails only when the client has given up, which its own test sees.
                    let _ = write!(
                        client,
                        "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
                        body.len()
                    );
                }
            }
        });
        Server { port, requests }
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Clients that take this server for AWS.
    pub async fn aws(&self) -> Aws {
        let environment = Environment {
            name: EnvironmentName::parse("test").unwrap(),
            aws_account_id: "000000000000".into(),
            region: "us-east-1".into(),
            profile: None,
            terraform_root: "infra".into(),
            terraform_workspace: "default".into(),
            protected: false,
            auto_deploy_workflows: Vec::new(),
            deploy_workflows: Vec::new(),
            believes: Vec::new(),
        };
        let address = Address::at_port(self.port, Engine::Docker, "us-east-1", &Keys::of_nobody());
        Aws::connect(&environment, Some(&address)).await
    }
}

/// One request; None when it does not come whole.
fn read(client: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 64 * 1024];
    loop {
        let length = client.read(&mut buffer).ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&buffer[..length]);
        let end = bytes.windows(4).position(|part| part == b"\r\n\r\n");
        let Some(end) = end.map(|end| end + 4) else {
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let body = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map_or(0, |length| length.trim().parse().unwrap());
        if bytes.len() >= end + body {
            return Some(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
