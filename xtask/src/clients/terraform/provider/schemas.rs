//! The provider's schemas: asked for once in a binary's life, trimmed to the types in use.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::sync::OnceCell;

use super::forward::{collect, framed};
use super::schema::trimmed;
use crate::clients::own_files;

#[derive(Debug)]
pub struct Schemas {
    /// The whole answer of this binary, 4.9 MB, once it is known.
    file: PathBuf,
    in_use: BTreeSet<String>,
    answer: OnceCell<Bytes>,
}

impl Schemas {
    pub fn new(file: PathBuf, in_use: BTreeSet<String>) -> Self {
        Schemas {
            file,
            in_use,
            answer: OnceCell::new(),
        }
    }

    /// The message for Terraform. `head` is how it has asked, if the provider must be.
    pub async fn get(
        &self,
        provider: SendRequest<Bytes>,
        head: &http::request::Parts,
    ) -> anyhow::Result<Bytes> {
        let make = || async {
            if let Ok(whole) = own_files::read_regular(&self.file)
                && let Some(answer) = trimmed(&whole, &self.in_use)
            {
                return Ok(answer.into());
            }
            let whole = ask(provider, head).await?;
            let Some(answer) = trimmed(&whole, &self.in_use) else {
                return Ok(whole);
            };
            own_files::write(&self.file, &whole)?;
            anyhow::Ok(answer.into())
        };
        self.answer.get_or_try_init(make).await.cloned()
    }
}

async fn ask(provider: SendRequest<Bytes>, head: &http::request::Parts) -> anyhow::Result<Bytes> {
    let mut request = Request::builder().method("POST").uri(head.uri.clone());
    for (name, value) in &head.headers {
        request = request.header(name, value);
    }
    let (response, mut send) = provider
        .ready()
        .await?
        .send_request(request.body(())?, false)?;
    send.send_data(framed(&[]), true)?;
    let mut body = response.await?.into_body();
    let frame = collect(&mut body).await?;
    let status = body.trailers().await?.unwrap_or_default();
    anyhow::ensure!(
        status
            .get("grpc-status")
            .is_some_and(|status| status == "0"),
        "the provider does not tell its schema: {status:?}"
    );
    let plain = frame.first() == Some(&0) && framed(frame.get(5..).unwrap_or_default()) == frame;
    anyhow::ensure!(plain, "the provider's schema is not one plain message");
    Ok(frame.slice(5..))
}
