//! An image that CI built itself, and its word for it: what a protected environment takes.

use crate::clients::attestations::Attestation;
use crate::failure::Problem;
use crate::names::Digest;
use crate::session::{Session, env_var};
use crate::steps::hand_over::Whose;
use crate::steps::push_image::PushedImage;
use crate::ui::Step;

/// Writes down that CI built the image, which is the one under its tag. Another one there is somebody
/// else's: it is left there, and nothing new is said of it.
///
/// # Errors
/// When the role may not write: it is not CI's.
pub async fn attest(session: &Session, image: &PushedImage, whose: Whose) -> anyhow::Result<()> {
    let attestations = session.attestations().await;
    let before = attestations.of(&image.tag).await?;
    if decide(&before, &image.digest).is_ok() {
        let why = "it is written down already that CI built what is in ECR";
        session.reporter.detail(Step::Push, why);
        return Ok(());
    }
    if whose == Whose::Theirs {
        session.reporter.warning(
            Step::Push,
            format!(
                "ECR had {} already, and not as it was built here: a protected environment does not take it",
                image.tag.short()
            ),
        );
        return Ok(());
    }
    let attestation = Attestation {
        digest: image.digest.to_string(),
        by: session.aws().await.identity().await?.arn,
        run: env_var("GITHUB_RUN_ID"),
    };
    attestations.write(&image.tag, &attestation).await?;
    session
        .reporter
        .detail(Step::Push, "it is written down that this was built here");
    Ok(())
}

/// Refuses an image of which CI does not say that it built it, when the environment is protected.
pub async fn require_attested(session: &Session, image: &PushedImage) -> anyhow::Result<()> {
    let environment = &session.settings.environment;
    if !environment.protected {
        return Ok(());
    }
    let said = session.attestations().await.of(&image.tag).await?;
    decide(&said, &image.digest).map_err(|why| {
        Problem::refused(
            format!(
                "`{}` is protected and takes what CI built: {why} {}",
                environment.name,
                image.tag.short()
            ),
            "let CI publish the commit: cargo xtask publish FILE --digest DIGEST --attest",
        )
        .into()
    })
}

fn decide(said: &[Attestation], digest: &Digest) -> Result<(), &'static str> {
    if said.is_empty() {
        return Err("nothing says that it built");
    }
    match said.iter().any(|said| said.digest == digest.as_str()) {
        true => Ok(()),
        false => Err("it built another image than the one under"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_digest_that_ci_names_is_taken() {
        let digest = Digest::of(&[1; 32]);
        let said = |digest: &Digest| Attestation {
            digest: digest.to_string(),
            by: "arn".into(),
            run: None,
        };
        let other = said(&Digest::of(&[2; 32]));
        assert_eq!(decide(&[said(&digest)], &digest), Ok(()));
        assert_eq!(decide(&[other.clone(), said(&digest)], &digest), Ok(()));
        assert!(decide(&[], &digest).is_err());
        assert!(decide(&[other], &digest).is_err());
    }
}
