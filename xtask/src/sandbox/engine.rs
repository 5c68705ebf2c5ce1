//! What runs the containers of tasks in the sandbox: a Docker Engine, or this machine's processes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clients::docker;
use crate::failure::Problem;
use crate::interrupt::Interrupt;

/// What a user asks for: `sandbox.engine` in Cargo.toml, XTASK_SANDBOX_ENGINE or `--engine`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// Docker where an Engine answers, else processes.
    #[default]
    Auto,
    Exactly(Engine),
}

/// What runs the containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    #[default]
    Docker,
    Process,
}

impl Wanted {
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Wanted::Auto),
            "docker" => Ok(Wanted::Exactly(Engine::Docker)),
            "process" => Ok(Wanted::Exactly(Engine::Process)),
            other => Err(format!(
                "`{other}` is not an engine of the sandbox: auto, docker or process"
            )),
        }
    }

    /// Whether a running sandbox with this engine is what was asked for.
    pub fn accepts(self, engine: Engine) -> bool {
        match self {
            Wanted::Auto => true,
            Wanted::Exactly(wanted) => wanted == engine,
        }
    }
}

impl Engine {
    pub fn as_str(self) -> &'static str {
        match self {
            Engine::Docker => "docker",
            Engine::Process => "process",
        }
    }

    /// The end of a sentence that begins with "its tasks run".
    pub fn where_tasks_run(self) -> &'static str {
        match self {
            Engine::Docker => "in Docker",
            Engine::Process => "as processes of this machine, without Docker",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Asks the machine. `Auto` takes Docker where an Engine answers.
pub async fn choose(wanted: Wanted, interrupt: &Interrupt) -> Result<Engine, Problem> {
    match wanted {
        Wanted::Exactly(Engine::Process) => processes(),
        Wanted::Exactly(Engine::Docker) => docker::server_version(interrupt)
            .await
            .map(|_| Engine::Docker),
        Wanted::Auto => match docker::server_version(interrupt).await {
            Ok(_) => Ok(Engine::Docker),
            // On a machine that only Docker serves, its own error says what to do.
            Err(no_docker) => processes().map_err(|_| no_docker),
        },
    }
}

fn processes() -> Result<Engine, Problem> {
    if cfg!(target_os = "linux") {
        return Ok(Engine::Process);
    }
    Err(Problem::failed(
        "the process engine starts Linux programs, and this machine is no Linux",
        "install Docker Desktop (https://docs.docker.com/get-started/get-docker/), or drop --engine process",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_and_what_runs() {
        let docker = Wanted::parse("docker").unwrap();
        let process = Wanted::parse("process").unwrap();
        assert!(docker.accepts(Engine::Docker) && !docker.accepts(Engine::Process));
        assert!(process.accepts(Engine::Process) && !process.accepts(Engine::Docker));
        let auto = Wanted::parse("auto").unwrap();
        assert!(auto.accepts(Engine::Docker) && auto.accepts(Engine::Process));
        assert!(
            Wanted::parse("podman")
                .unwrap_err()
                .contains("auto, docker or process")
        );
    }
}
