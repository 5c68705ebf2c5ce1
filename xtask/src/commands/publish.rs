//! `cargo xtask publish`: an image in a file → ECR.

use crate::cli::Publish;
use crate::commands::build_and_publish::answer;
use crate::session::Session;
use crate::steps::attest::attest;
use crate::steps::hand_over::publish_file;

pub async fn run(args: &Publish, session: &Session) -> anyhow::Result<u8> {
    let (image, whose) = publish_file(session, &args.file, &args.digest).await?;
    if args.attest {
        attest(session, &image, whose).await?;
    }
    answer(session, &image);
    Ok(0)
}
