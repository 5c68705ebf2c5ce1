//! The wire between the tool and the sandbox: a TCP proxy that keeps what was sent, and that can
//! break connections, as a bad network does, before a request has arrived or after it was carried out.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::keys;

/// Longer heads and bodies than this are not looked at as a whole.
const LOOK: usize = 256 * 1024;

/// Where connections go, and how many of their requests meet a reset.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    /// The sandbox: its registry, its GitHub and its health.
    pub sandbox: u16,
    /// What speaks AWS's protocols: the sandbox, or something before it.
    pub aws: u16,
    pub reset_percent: usize,
    /// The same seed breaks the same requests, if they come in the same order.
    pub seed: u64,
}

pub struct Wire {
    listener: Option<TcpListener>,
    pub port: u16,
    sent: Arc<Mutex<Vec<Sent>>>,
    resets: Arc<AtomicUsize>,
}

/// All bytes that came over one connection.
type Sent = Arc<Mutex<Vec<u8>>>;

impl Wire {
    /// On a port that is known before what is behind it.
    pub fn bind() -> Wire {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Wire {
            port: listener.local_addr().unwrap().port(),
            listener: Some(listener),
            sent: Arc::default(),
            resets: Arc::default(),
        }
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Serves until the tests end.
    pub fn serve(&mut self, behaviour: Behaviour) {
        let listener = self.listener.take().unwrap();
        let sandbox = format!("http://127.0.0.1:{}", behaviour.sandbox);
        keys::know_as(&self.endpoint(), &sandbox);
        let (sent, resets) = (self.sent.clone(), self.resets.clone());
        let dice = Arc::new(Mutex::new(fastrand::Rng::with_seed(behaviour.seed)));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let record = Sent::default();
                sent.lock().unwrap().push(record.clone());
                let connection = Connection {
                    behaviour,
                    record,
                    resets: resets.clone(),
                    dice: dice.clone(),
                    answered: AtomicBool::new(true),
                    loses_answer: AtomicBool::new(false),
                };
                std::thread::spawn(move || connection.run(client));
            }
        });
    }

    /// How many connections were reset so far.
    pub fn resets(&self) -> usize {
        self.resets.load(Ordering::SeqCst)
    }

    /// What was sent, a connection each.
    pub fn sent(&self) -> Vec<Vec<u8>> {
        let sent = self.sent.lock().unwrap();
        sent.iter()
            .map(|sent| sent.lock().unwrap().clone())
            .collect()
    }
}

struct Connection {
    behaviour: Behaviour,
    record: Sent,
    resets: Arc<AtomicUsize>,
    dice: Arc<Mutex<fastrand::Rng>>,
    /// What comes next from the client is a new request.
    answered: AtomicBool,
    loses_answer: AtomicBool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// The request never arrives.
    Request,
    /// It arrives and is carried out, and nobody learns of it.
    Answer,
}

impl Connection {
    /// A socket that is closed with something unread in it tells the other end "connection reset".
    fn run(self, client: TcpStream) {
        let Some(first) = look(&client) else { return };
        let port = match first.split(' ').nth(1) {
            Some(path) if is_of_sandbox(path) => self.behaviour.sandbox,
            _ => self.behaviour.aws,
        };
        let harmless = is_harmless(&first);
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
            return;
        };
        let connection = Arc::new(self);
        let back = {
            let (server, client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let connection = connection.clone();
            std::thread::spawn(move || connection.pass_answers(server, client))
        };
        connection.pass_requests(&client, &server, harmless);
        // Our end of the client's socket goes last, so that what is unread in it counts.
        let _ = back.join();
    }

    fn pass_requests(&self, mut client: &TcpStream, mut server: &TcpStream, harmless: bool) {
        let mut buffer = vec![0; LOOK];
        loop {
            let mut fault = Fault::None;
            let mut length = match client.peek(&mut buffer) {
                Ok(length) if length > 0 => length,
                _ => break,
            };
            if self.answered.swap(false, Ordering::SeqCst) && !harmless {
                let Some(head) = look(client) else { break };
                length = client.peek(&mut buffer).unwrap_or(length);
                fault = self.fault(&head, &buffer[..length]);
            }
            match fault {
                Fault::Request => {
                    self.resets.fetch_add(1, Ordering::SeqCst);
                    self.loses_answer.store(true, Ordering::SeqCst);
                    break;
                }
                Fault::Answer => {
                    self.resets.fetch_add(1, Ordering::SeqCst);
                    self.loses_answer.store(true, Ordering::SeqCst);
                    self.keep(&buffer[..length]);
                    let _ = server.write_all(&buffer[..length]);
                    // One byte stays unread. The end of the answers is the end of the connection.
                    let _ = client.read_exact(&mut buffer[..length - 1]);
                    return;
                }
                Fault::None => {
                    if client.read_exact(&mut buffer[..length]).is_err() {
                        break;
                    }
                    self.keep(&buffer[..length]);
                    if server.write_all(&buffer[..length]).is_err() {
                        break;
                    }
                }
            }
        }
        let _ = server.shutdown(Shutdown::Both);
    }

    fn pass_answers(&self, mut server: TcpStream, mut client: TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length) = server.read(&mut buffer)
            && length > 0
        {
            if self.loses_answer.load(Ordering::SeqCst) {
                return;
            }
            // "100 Continue" asks for the rest of the same request.
            if !buffer.starts_with(b"HTTP/1.1 1") {
                self.answered.store(true, Ordering::SeqCst);
            }
            if client.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        if !self.loses_answer.load(Ordering::SeqCst) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    fn fault(&self, head: &str, peeked: &[u8]) -> Fault {
        let is_terraform = head.contains("Terraform/");
        // Terraform waits twice as long after each failure, which adds up to minutes.
        let percent = self.behaviour.reset_percent / if is_terraform { 3 } else { 1 };
        let mut dice = self.dice.lock().unwrap();
        if dice.usize(0..100) >= percent {
            return Fault::None;
        }
        // When the answer to a creation gets lost, Terraform repeats it and fails at what it has made
        // itself; a state's lock is such a thing, too. That is for no caller of Terraform to mend.
        if dice.bool() && !is_terraform && is_whole(head, peeked) {
            Fault::Answer
        } else {
            Fault::Request
        }
    }

    fn keep(&self, bytes: &[u8]) {
        self.record.lock().unwrap().extend_from_slice(bytes);
    }
}

/// The head of a request that waits in the socket, which stays there.
fn look(client: &TcpStream) -> Option<String> {
    let mut buffer = vec![0; LOOK];
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        let length = client.peek(&mut buffer).ok().filter(|length| *length > 0)?;
        // Docker tries TLS first, and takes a closed connection for a no.
        if !buffer[0].is_ascii_uppercase() {
            return None;
        }
        let text = String::from_utf8_lossy(&buffer[..length]);
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            return Some(head.to_owned());
        }
        // The rest is on its way, or the client is gone in the middle of it.
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}

fn is_of_sandbox(path: &str) -> bool {
    ["/v2/", "/_github", "/_ministack", "/_sandbox"]
        .iter()
        .any(|start| path.starts_with(start))
}

/// The pulls of Docker and of the process engine, which is Python, are the platform's business, and a
/// health check decides over the sandbox.
fn is_harmless(head: &str) -> bool {
    ["docker/", "Python-urllib/", "/_sandbox"]
        .iter()
        .any(|words| head.contains(words))
}

fn is_whole(head: &str, peeked: &[u8]) -> bool {
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    let chunked = head.to_lowercase().contains("transfer-encoding");
    !chunked && peeked.len() == head.len() + 4 + length.unwrap_or_default()
}
