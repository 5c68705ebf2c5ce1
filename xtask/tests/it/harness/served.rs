//! `xtask serve-provider`, as the tool starts it: an AWS provider that Terraform attaches to.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// It ends with this value.
pub struct Served {
    /// The value of TF_REATTACH_PROVIDERS.
    pub reattach: String,
    channel: UnixStream,
    pub process: Child,
}

impl Served {
    /// `command` is the tool's binary with the environment and the folder that the provider is to have.
    pub fn start(mut command: Command, binary: &Path, schema: &Path, types: &[&str]) -> Served {
        let (mut channel, theirs) = UnixStream::pair().unwrap();
        let process = command
            .arg("serve-provider")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let order = json!({ "binary": binary, "schema": schema, "in_use": types });
        channel.write_all(format!("{order}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(channel.try_clone().unwrap())
            .read_line(&mut answer)
            .unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let reattach = answer["Serving"]["reattach"].as_str();
        let reattach = reattach.unwrap_or_else(|| panic!("{answer}")).to_owned();
        Served {
            reattach,
            channel,
            process,
        }
    }

    /// What is said of a provider that ends by itself, here by a signal.
    pub fn last_words(&mut self) -> String {
        let value: Value = serde_json::from_str(&self.reattach).unwrap();
        let pid = value["registry.terraform.io/hashicorp/aws"]["Pid"].as_i64();
        let pid = Pid::from_raw(i32::try_from(pid.unwrap()).unwrap()).unwrap();
        kill_process(pid, Signal::ABORT).unwrap();
        let mut line = String::new();
        BufReader::new(&self.channel).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Where Terraform finds it.
    pub fn socket(&self) -> PathBuf {
        let value: Value = serde_json::from_str(&self.reattach).unwrap();
        let provider = &value["registry.terraform.io/hashicorp/aws"];
        PathBuf::from(provider["Addr"]["String"].as_str().unwrap())
    }

    /// What the end of the tool looks like.
    pub fn abandon(&self) {
        self.channel.shutdown(std::net::Shutdown::Both).unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.channel.write_all(b"done\n");
        let _ = self.process.wait();
    }
}

/// The AWS provider's binary below a folder of providers, which has one.
pub fn provider_binary(providers: &Path) -> PathBuf {
    let versions = providers.join("registry.terraform.io/hashicorp/aws");
    let first = |folder: PathBuf| {
        let mut entries = std::fs::read_dir(&folder).unwrap().flatten();
        entries.next().unwrap().path()
    };
    let package = first(first(versions));
    let mut files = std::fs::read_dir(package).unwrap().flatten();
    let is_binary = |name: &str| name.starts_with("terraform-provider-");
    let binary = files.find(|file| is_binary(&file.file_name().to_string_lossy()));
    binary.unwrap().path()
}
