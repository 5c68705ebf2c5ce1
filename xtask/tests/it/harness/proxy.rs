//! What stands between a client and the sandbox: it counts, makes the sandbox as far away and as slow
//! as AWS is, and names another registry.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What makes a far AWS of a near sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Profile {
    /// Added to every round trip.
    pub delay: Duration,
    /// How many RegisterTaskDefinition go at once, and then one a second; None: all.
    pub registrations: Option<u32>,
    /// How long a task is PROVISIONING.
    pub provisioning: Duration,
}

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Trip {
    pub what: String,
    pub begin: Instant,
    pub end: Instant,
    pub bytes: usize,
}

pub struct Proxy {
    pub endpoint: String,
    pub port: u16,
    state: Arc<Mutex<State>>,
}

struct State {
    /// Where the sandbox's registry is, and where its clients are told that it is.
    upstream: String,
    registry: String,
    profile: Profile,
    trips: Vec<Trip>,
    /// How many registrations may go now, and when that was so.
    tokens: (f64, Instant),
    launched: HashMap<String, Instant>,
}

impl Proxy {
    /// In front of `127.0.0.1:port`.
    pub fn start(upstream_port: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State {
            upstream: format!("localhost:{upstream_port}"),
            registry: format!("localhost:{port}"),
            profile: Profile::default(),
            trips: Vec::new(),
            tokens: (0.0, Instant::now()),
            launched: HashMap::new(),
        }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || serve(client, upstream_port, &state));
            }
        });
        Proxy {
            endpoint: format!("http://127.0.0.1:{port}"),
            port,
            state,
        }
    }

    pub fn behave(&self, profile: Profile) {
        let mut state = self.state.lock().unwrap();
        state.profile = profile;
        state.tokens = (
            f64::from(profile.registrations.unwrap_or_default()),
            Instant::now(),
        );
    }

    /// ECR's clients find their repository there: `localhost:PORT`. Task definitions do not follow.
    pub fn name_registry(&self, registry: &str) {
        registry.clone_into(&mut self.state.lock().unwrap().registry);
    }

    /// The trips since the last call.
    pub fn take(&self) -> Vec<Trip> {
        std::mem::take(&mut self.state.lock().unwrap().trips)
    }
}

/// How many of these trips had to wait for each other: the longest chain in which each begins after
/// the one before has ended.
pub fn sequential(trips: &[Trip]) -> Vec<&Trip> {
    let mut sorted: Vec<&Trip> = trips.iter().collect();
    sorted.sort_by_key(|trip| trip.end);
    let mut chain: Vec<&Trip> = Vec::new();
    for trip in sorted {
        if chain.last().is_none_or(|last| last.end <= trip.begin) {
            chain.push(trip);
        }
    }
    chain
}

struct Message {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Message {
    fn first_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.head);
        text.lines().next().unwrap_or_default().to_owned()
    }

    fn header(&self, name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.head);
        text.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    }

    /// With another body, whose length the head then tells.
    fn with_body(&self, body: Vec<u8>) -> Message {
        let text = String::from_utf8_lossy(&self.head).into_owned();
        let kept = text.lines().filter(|line| {
            let line = line.to_ascii_lowercase();
            !line.is_empty()
                && !line.starts_with("content-length:")
                && !line.starts_with("transfer-encoding:")
        });
        let mut head: String = kept.map(|line| format!("{line}\r\n")).collect();
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        Message {
            head: head.into_bytes(),
            body,
        }
    }
}

/// `bodiless`: an answer to HEAD. None at the end of the connection.
fn read(
    from: &mut BufReader<TcpStream>,
    bodiless: bool,
    continues: Option<&TcpStream>,
) -> Option<Message> {
    let mut head = Vec::new();
    loop {
        let start = head.len();
        if from.read_until(b'\n', &mut head).ok()? == 0 {
            return None;
        }
        if head[start..] == *b"\r\n" {
            break;
        }
    }
    let mut message = Message {
        head,
        body: Vec::new(),
    };
    if let Some(mut client) = continues
        && message.header("expect").is_some()
    {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let status = message
        .first_line()
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    if bodiless || ["204", "304"].contains(&status.as_str()) {
        return Some(message);
    }
    if message
        .header("transfer-encoding")
        .is_some_and(|value| value.contains("chunked"))
    {
        loop {
            let mut line = String::new();
            from.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim().split(';').next()?, 16).ok()?;
            let mut chunk = vec![0; size + 2];
            from.read_exact(&mut chunk).ok()?;
            if size == 0 {
                let body = std::mem::take(&mut message.body);
                return Some(message.with_body(body));
            }
            message.body.extend(&chunk[..size]);
        }
    }
    if let Some(length) = message
        .header("content-length")
        .and_then(|length| length.parse().ok())
    {
        message.body = vec![0; length];
        from.read_exact(&mut message.body).ok()?;
    } else if message.first_line().starts_with("HTTP/") {
        from.read_to_end(&mut message.body).ok()?;
    }
    Some(message)
}

fn serve(client: TcpStream, upstream_port: u16, state: &Mutex<State>) {
    let Ok(upstream) = TcpStream::connect(("127.0.0.1", upstream_port)) else {
        return;
    };
    let (Ok(from_client), Ok(from_upstream)) = (client.try_clone(), upstream.try_clone()) else {
        return;
    };
    let (mut from_client, mut from_upstream) =
        (BufReader::new(from_client), BufReader::new(from_upstream));
    // Docker tries TLS first, and waits ten seconds for an answer to it.
    if !speaks_http(&mut from_client) {
        return;
    }
    let (mut client, mut upstream) = (client, upstream);
    let _ = client.set_nodelay(true);
    let _ = upstream.set_nodelay(true);
    let again = client.try_clone().unwrap();
    while let Some(request) = read(&mut from_client, false, Some(&again)) {
        let begin = Instant::now();
        let what = name_of(&request);
        let profile = state.lock().unwrap().profile;
        std::thread::sleep(profile.delay);
        let refusal = state.lock().unwrap().refuses(&what, &request);
        let answer = if let Some(refusal) = refusal {
            refusal
        } else {
            if upstream
                .write_all(&request.head)
                .and_then(|()| upstream.write_all(&request.body))
                .is_err()
            {
                return;
            }
            let head = request.first_line().starts_with("HEAD ");
            let Some(answer) = read(&mut from_upstream, head, None) else {
                return;
            };
            state
                .lock()
                .unwrap()
                .seen_from_afar(&what, &request, answer)
        };
        let bytes = request.head.len() + request.body.len() + answer.head.len() + answer.body.len();
        // Counted before it is answered: the client may end at once, and we be asked.
        state.lock().unwrap().trips.push(Trip {
            what,
            begin,
            end: Instant::now(),
            bytes,
        });
        if client
            .write_all(&answer.head)
            .and_then(|()| client.write_all(&answer.body))
            .is_err()
        {
            return;
        }
        if answer
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
        {
            return;
        }
    }
}

fn speaks_http(client: &mut BufReader<TcpStream>) -> bool {
    const TLS_HANDSHAKE: u8 = 0x16;
    client
        .fill_buf()
        .is_ok_and(|bytes| bytes.first().is_some_and(|byte| *byte != TLS_HANDSHAKE))
}

/// `DescribeTasks`, or method and path.
fn name_of(request: &Message) -> String {
    match request.header("x-amz-target") {
        Some(target) => target.rsplit('.').next().unwrap_or_default().to_owned(),
        None if request.body.starts_with(b"Action=") => {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            body["Action=".len()..]
                .split('&')
                .next()
                .unwrap_or_default()
                .to_owned()
        }
        None => {
            let line = request.first_line();
            let mut words = line.split([' ', '?']);
            format!(
                "{} {}",
                words.next().unwrap_or_default(),
                words.next().unwrap_or_default()
            )
        }
    }
}

fn refusal(kind: &str) -> Message {
    let body = format!(r#"{{"__type":"{kind}","message":"Rate exceeded"}}"#).into_bytes();
    let head =
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\n\r\n".to_vec();
    Message {
        head,
        body: Vec::new(),
    }
    .with_body(body)
}

impl State {
    fn is_provisioning(&self, id: &str) -> bool {
        let launched = self.launched.get(id);
        launched.is_some_and(|launched| launched.elapsed() < self.profile.provisioning)
    }

    /// What AWS would not answer yet.
    fn refuses(&mut self, what: &str, request: &Message) -> Option<Message> {
        match what {
            "RegisterTaskDefinition" => {
                let burst = f64::from(self.profile.registrations?);
                let (tokens, at) = self.tokens;
                let tokens = (tokens + at.elapsed().as_secs_f64()).min(burst);
                let goes = tokens >= 1.0;
                self.tokens = (if goes { tokens - 1.0 } else { tokens }, Instant::now());
                (!goes).then(|| refusal("ThrottlingException"))
            }
            "GetLogEvents" => {
                let body: Value = serde_json::from_slice(&request.body).ok()?;
                let id = body["logStreamName"]
                    .as_str()?
                    .rsplit('/')
                    .next()?
                    .to_owned();
                self.is_provisioning(&id)
                    .then(|| refusal("ResourceNotFoundException"))
            }
            _ => None,
        }
    }

    /// A task is seen to be provisioned for as long as AWS needs for that, although it runs at once.
    fn seen_from_afar(&mut self, what: &str, request: &Message, answer: Message) -> Message {
        match what {
            "RunTask" => {
                let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                for task in body["tasks"].as_array().into_iter().flatten() {
                    let arn = task["taskArn"].as_str().unwrap_or_default();
                    let id = arn.rsplit('/').next().unwrap_or_default();
                    self.launched.insert(id.to_owned(), Instant::now());
                }
                answer
            }
            "DescribeTasks" if !self.profile.provisioning.is_zero() => {
                let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                for task in body["tasks"].as_array_mut().into_iter().flatten() {
                    let arn = task["taskArn"].as_str().unwrap_or_default();
                    if self.is_provisioning(arn.rsplit('/').next().unwrap_or_default()) {
                        task["lastStatus"] = "PROVISIONING".into();
                        task["desiredStatus"] = "RUNNING".into();
                    }
                }
                answer.with_body(body.to_string().into_bytes())
            }
            "DescribeRepositories"
                if !request
                    .header("user-agent")
                    .is_some_and(|agent| agent.contains("Terraform")) =>
            {
                let body =
                    String::from_utf8_lossy(&answer.body).replace(&self.upstream, &self.registry);
                answer.with_body(body.into_bytes())
            }
            _ => answer,
        }
    }
}
