//! `cargo xtask hold`: reserve an environment and pause its auto-deploy.

use crate::cli::Hold;
use crate::commands::run::require_right_account;
use crate::hold;
use crate::hold::record::Moment;
use crate::session::Session;
use crate::steps::protected::require_confirmed;
use crate::steps::reserve::{Wanted, reserve};

pub async fn run(args: &Hold, session: &Session) -> anyhow::Result<u8> {
    require_confirmed(session)?;
    require_right_account(session).await?;
    let wanted = Wanted {
        length: args.length,
        reason: args.reason.clone(),
        author: args.author.clone(),
        break_it: args.break_it,
        wait: args.wait,
    };
    let hold = reserve(session, &wanted).await?.hold;
    session
        .reporter
        .result(hold::describe(&hold, Moment::now()));
    session.reporter.text(format!(
        "give it back: cargo xtask release{}",
        session.flags()
    ));
    Ok(0)
}
