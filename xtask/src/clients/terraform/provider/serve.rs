//! The process between Terraform and the provider, which it starts: `xtask serve-provider`.
//!
//! It is a process of its own because Terraform may live longer than the tool. When the tool is killed
//! in an apply, Terraform is asked to stop and goes on until what it has begun is in the state; for that
//! it needs the provider. So this process ends with the last of the two, and the provider with it.

use std::collections::BTreeSet;
use std::io::stdin;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::forward::{Configurations, Shared, connection};
use super::lock::ADDRESS;
use super::schemas::Schemas;
use crate::clients::own_files;
use crate::clients::private_folder::PrivateFolder;

/// The first argument of this process.
pub const ARGUMENT: &str = "serve-provider";
/// What Terraform reads.
pub const VARIABLE: &str = "TF_REATTACH_PROVIDERS";
/// A line of the tool's that ends all. The end of the input without it means that the tool is gone.
pub const DONE: &str = "done\n";
/// How long after the tool's death nobody must have been connected: between two walks of its graph
/// Terraform is not.
const ALONE: Duration = Duration::from_secs(3);
const PROTOCOL: u64 = 5;
/// How much of a provider's last words is passed on, in bytes: less than a socket takes at once.
const LONGEST_WORDS: usize = 32 << 10;

/// `$0` and `$@` become the provider. It ends with the writer of its input, however that came; a line
/// says that it has ended, and that its process ID may be another's.
const WATCHED: &str = r#"exec 3<&0 </dev/null
{ IFS= read -r _ <&3 || kill -KILL $$; } >/dev/null 2>&1 &
exec 3<&-
exec "$0" "$@""#;

/// The first line of this process's input.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    pub binary: PathBuf,
    /// Where the whole schema is kept.
    pub schema: PathBuf,
    pub in_use: BTreeSet<String>,
}

/// The first line of its answer.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ready {
    /// What the variable is to say.
    Serving {
        reattach: String,
    },
    Failed(String),
}

/// The last line of it: what a provider has said that ended by itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct LastWords(pub String);

pub fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return ExitCode::FAILURE;
    };
    let local = tokio::task::LocalSet::new();
    match local.block_on(&runtime, talk()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The tool is at the other end of the standard input, which is a socket.
async fn talk() -> anyhow::Result<()> {
    let socket = std::os::unix::net::UnixStream::from(stdin().as_fd().try_clone_to_owned()?);
    socket.set_nonblocking(true)?;
    let (input, mut output) = UnixStream::from_std(socket)?.into_split();
    let served = serve(BufReader::new(input).lines(), &mut output).await;
    if let Err(error) = &served {
        say(&mut output, &Ready::Failed(format!("{error:#}"))).await?;
    }
    served
}

async fn serve(
    mut input: Lines<BufReader<OwnedReadHalf>>,
    output: &mut OwnedWriteHalf,
) -> anyhow::Result<()> {
    let order = input.next_line().await?.context("no order")?;
    let order: Order = serde_json::from_str(&order).context("an order of another version")?;
    let folder = PrivateFolder::make()?;
    let log = folder.path().join("provider.log");
    let mut provider = start(&order.binary, folder.path(), &log)?;
    // Out of the child, which would close it before it is waited for.
    let watcher = provider.stdin.take();
    let reattach = reattachment(&mut provider).await?;
    let own = folder.path().join("terraform.sock");
    let listener = UnixListener::bind(&own).with_context(|| format!("listening at {own:?}"))?;
    let shared = Rc::new(Shared {
        provider: reattach.socket,
        schemas: Schemas::new(order.schema, order.in_use),
        configurations: Configurations::default(),
    });
    let mut value = reattach.value;
    value[ADDRESS]["Addr"]["String"] = json!(own);
    let reattach = value.to_string();
    say(output, &Ready::Serving { reattach }).await?;
    let mut connections = JoinSet::new();
    let mut tool_is_gone = false;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.context("accepting a connection")?;
                connections.spawn_local(connection(stream, shared.clone()));
            }
            _ = connections.join_next(), if !connections.is_empty() => {}
            line = input.next_line(), if !tool_is_gone => match line {
                Ok(Some(_)) => break,
                _ => tool_is_gone = true,
            },
            () = tokio::time::sleep(ALONE), if tool_is_gone && connections.is_empty() => break,
            _ = provider.wait() => {
                let mut words = std::fs::read(&log).unwrap_or_default();
                // Nothing is logged before a panic, whose reason comes before its many traces.
                words.truncate(LONGEST_WORDS);
                let words = String::from_utf8_lossy(&words).into_owned();
                say(output, &LastWords(words)).await?;
                break;
            }
        }
    }
    let _ = provider.kill().await;
    if let Some(mut watcher) = watcher {
        let _ = watcher.write_all(DONE.as_bytes()).await;
    }
    Ok(())
}

fn start(binary: &Path, folder: &Path, log: &Path) -> anyhow::Result<Child> {
    let log = own_files::create(log).context("making the provider's log")?;
    Command::new("/bin/sh")
        .args(["-c", WATCHED])
        .arg(binary)
        .arg("-debug")
        .env("PLUGIN_UNIX_SOCKET_DIR", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting {}", binary.display()))
}

struct Reattachment {
    value: Value,
    socket: PathBuf,
}

/// What the provider prints for people: `TF_REATTACH_PROVIDERS='{…}'`.
async fn reattachment(provider: &mut Child) -> anyhow::Result<Reattachment> {
    let stdout = provider.stdout.take().context("no output")?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        let line = line.trim();
        let Some(value) = line.strip_prefix(VARIABLE) else {
            continue;
        };
        // From here on it has nothing to say, and nobody may block it.
        tokio::task::spawn_local(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        return read_reattachment(value.trim_start_matches('=').trim_matches('\''));
    }
    anyhow::bail!("the provider ended without saying where it is")
}

fn read_reattachment(text: &str) -> anyhow::Result<Reattachment> {
    let value: Value = serde_json::from_str(text).context("reading what the provider prints")?;
    let provider = &value[ADDRESS];
    anyhow::ensure!(
        provider["Protocol"] == "grpc" && provider["ProtocolVersion"] == PROTOCOL,
        "the provider speaks another protocol: {text}"
    );
    // Without it Terraform would end the provider with its first run.
    anyhow::ensure!(
        provider["Test"] == true,
        "the provider is not for more than one run: {text}"
    );
    let address = &provider["Addr"];
    let socket = address["String"].as_str();
    let socket = socket.filter(|_| address["Network"] == "unix");
    let socket = socket.with_context(|| format!("the provider listens elsewhere: {text}"))?;
    Ok(Reattachment {
        socket: socket.into(),
        value,
    })
}

async fn say(output: &mut OwnedWriteHalf, what: &impl Serialize) -> anyhow::Result<()> {
    let line = serde_json::to_string(what)?;
    output.write_all(format!("{line}\n").as_bytes()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_reattached() {
        let printed = |provider: &str, version: u8, test: bool, network: &str| {
            format!(
                r#"{{"{provider}":{{"Protocol":"grpc","ProtocolVersion":{version},"Pid":7,"Test":{test},"Addr":{{"Network":"{network}","String":"/a"}}}}}}"#
            )
        };
        for (text, words) in [
            (printed(ADDRESS, 5, true, "unix"), None),
            (printed(ADDRESS, 6, true, "unix"), Some("another protocol")),
            (printed("x/y/z", 5, true, "unix"), Some("another protocol")),
            (
                printed(ADDRESS, 5, false, "unix"),
                Some("more than one run"),
            ),
            (printed(ADDRESS, 5, true, "tcp"), Some("listens elsewhere")),
            ("{".to_owned(), Some("reading what")),
        ] {
            match (read_reattachment(&text), words) {
                (Ok(found), None) => assert_eq!(found.socket, Path::new("/a")),
                (Err(error), Some(words)) => assert!(error.to_string().contains(words), "{error}"),
                (found, _) => panic!("{text}: {:?}", found.map(|it| it.socket)),
            }
        }
    }
}
