//! `cargo xtask build`: git HEAD → image → a file.

use serde_json::json;

use crate::cli::Build;
use crate::session::Session;
use crate::steps::hand_over::build_to_file;

pub async fn run(args: &Build, session: &Session) -> anyhow::Result<u8> {
    let (tag, digest) = build_to_file(session, &args.output).await?;
    session.reporter.answer(
        &json!({
            "file": args.output,
            "tag": tag.as_str(),
            "digest": digest.as_str(),
        }),
        &digest,
    );
    Ok(0)
}
