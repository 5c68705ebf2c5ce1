//! A protected environment (prod) is changed by nobody who has not named it twice, and only to what
//! is on main.

use xshell::{Shell, cmd};

use crate::failure::Problem;
use crate::session::Session;
use crate::steps::restore::main_commit;

/// Refuses unless `--confirm` names the protected environment.
pub fn require_confirmed(session: &Session) -> Result<(), Problem> {
    let environment = &session.settings.environment;
    decide(
        environment.name.as_str(),
        environment.protected,
        session.confirm.as_deref(),
    )
}

fn decide(name: &str, protected: bool, confirm: Option<&str>) -> Result<(), Problem> {
    if !protected || confirm == Some(name) {
        return Ok(());
    }
    Err(Problem::refused(
        format!("the environment `{name}` is protected"),
        format!("if you mean it, name it twice: --env {name} --confirm {name}"),
    ))
}

/// Refuses a commit that is not on main, as origin has it now, when the environment is protected.
pub fn require_on_main(session: &Session, commit: &str) -> anyhow::Result<()> {
    if !session.settings.environment.protected {
        return Ok(());
    }
    let main = main_commit(session)?;
    let sh = Shell::new()?;
    sh.change_dir(&session.settings.root);
    let on_main = cmd!(sh, "git merge-base --is-ancestor {commit} {main}")
        .quiet()
        .ignore_stderr()
        .run();
    on_main.map_err(|_| {
        Problem::refused(
            format!(
                "{commit} is not on {}, and `{}` is protected",
                session.settings.main_branch, session.settings.environment.name
            ),
            "merge it first",
        )
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::decide;

    #[test]
    fn a_protected_environment_is_named_twice() {
        assert_eq!(decide("test", false, None), Ok(()));
        assert_eq!(decide("prod", true, Some("prod")), Ok(()));
        for confirm in [None, Some("test"), Some("")] {
            let refused = decide("prod", true, confirm).unwrap_err();
            assert_eq!(refused.kind, crate::failure::Kind::Refused);
            assert!(refused.hint.unwrap().contains("--env prod --confirm prod"));
        }
    }
}
