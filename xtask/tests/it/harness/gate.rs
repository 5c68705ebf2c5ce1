//! A gate between the tool and the sandbox: one request waits at it until the test lets it pass, or it
//! never arrives. So a test can be at an exact point of a command.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::keys;

/// A test that waits longer than this for a request has found a mistake.
const DEADLINE: Duration = Duration::from_secs(120);

/// Where the request is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Nothing of it has arrived.
    Request,
    /// So many bytes of it have arrived, and nothing after them.
    Inside(usize),
    /// It is carried out, and nobody has been told.
    Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Stopped,
    Open,
    Cut,
}

pub struct Gate {
    /// What the command is given in the place of the sandbox's address.
    pub endpoint: String,
    state: Arc<(Mutex<State>, Condvar)>,
}

/// Does this request, by its method, path and headers in lower case, stop at the gate?
type Which = Arc<dyn Fn(&str) -> bool + Send + Sync>;

impl Gate {
    /// Stops the first request that `which` says yes to; all others pass.
    pub fn before(
        sandbox: &str,
        at: At,
        which: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Gate {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let gate = Gate {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::new((Mutex::new(State::Waiting), Condvar::new())),
        };
        keys::know_as(&gate.endpoint, sandbox);
        let sandbox = sandbox.strip_prefix("http://").unwrap().to_owned();
        let which: Which = Arc::new(which);
        let state = gate.state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&sandbox) else {
                    return;
                };
                let connection = Connection {
                    at,
                    which: which.clone(),
                    state: state.clone(),
                    withheld: Arc::default(),
                };
                connection.pass(client, server);
            }
        });
        gate
    }

    /// Waits until the request is at the gate.
    #[track_caller]
    pub fn wait(&self) {
        let (state, changed) = &*self.state;
        let (state, _) = changed
            .wait_timeout_while(state.lock().unwrap(), DEADLINE, |state| {
                *state == State::Waiting
            })
            .unwrap();
        assert_eq!(*state, State::Stopped, "no such request came");
    }

    /// Lets it pass.
    pub fn open(&self) {
        self.set(State::Open);
    }

    /// It, or its answer, never arrives.
    pub fn cut(&self) {
        self.set(State::Cut);
    }

    fn set(&self, to: State) {
        *self.state.0.lock().unwrap() = to;
        self.state.1.notify_all();
    }
}

#[derive(Clone)]
struct Connection {
    at: At,
    which: Which,
    state: Arc<(Mutex<State>, Condvar)>,
    /// The next answer waits.
    withheld: Arc<Mutex<bool>>,
}

impl Connection {
    fn pass(self, client: TcpStream, server: TcpStream) {
        let (to_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let answers = self.clone();
        std::thread::spawn(move || self.requests(client, to_server));
        std::thread::spawn(move || answers.answers(server, to_client));
    }

    fn requests(&self, mut client: TcpStream, mut server: TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        // How much has arrived of the request that is to be stopped inside.
        let mut arrived = None;
        while let Ok(length @ 1..) = client.read(&mut buffer) {
            if let (At::Inside(enough), Some(so_far)) = (self.at, arrived)
                && so_far >= enough
                && !self.passes()
            {
                break;
            }
            // A client sends the next request when it has the last one's answer: a head begins a read.
            let text = String::from_utf8_lossy(&buffer[..length]).to_lowercase();
            if (self.which)(text.split("\r\n\r\n").next().unwrap_or_default()) {
                match self.at {
                    At::Request if !self.passes() => break,
                    At::Request => {}
                    At::Inside(_) => arrived = Some(0),
                    At::Answer => *self.withheld.lock().unwrap() = true,
                }
            }
            if server.write_all(&buffer[..length]).is_err() {
                break;
            }
            arrived = arrived.map(|so_far| so_far + length);
        }
        let _ = server.shutdown(Shutdown::Both);
        let _ = client.shutdown(Shutdown::Both);
    }

    fn answers(&self, mut server: TcpStream, mut client: TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = server.read(&mut buffer) {
            let withheld = std::mem::take(&mut *self.withheld.lock().unwrap());
            if withheld && !self.passes() {
                break;
            }
            if client.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
        let _ = client.shutdown(Shutdown::Both);
    }

    /// Stops here if it is the first one, and says whether to go on.
    fn passes(&self) -> bool {
        let (state, changed) = &*self.state;
        let mut state = state.lock().unwrap();
        if *state != State::Waiting {
            return true;
        }
        *state = State::Stopped;
        changed.notify_all();
        while *state == State::Stopped {
            state = changed.wait(state).unwrap();
        }
        *state == State::Open
    }
}
