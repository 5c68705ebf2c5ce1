//! A container registry by its own protocol (OCI distribution), without Docker: which blobs it has,
//! and the upload of those that it lacks.
//!
//! Each blob goes up in one request: ECR is reported to drop what follows the first chunk of a
//! chunked upload.

mod archived;

use std::time::Duration;

use anyhow::Context as _;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use base64::Engine as _;
use serde_json::Value;

use super::ecr::Login;
use super::image::{Blob, Image, MANIFEST_TYPE};
use crate::failure::Problem;
use crate::interrupt::Interrupt;
use crate::names::{Digest, ImageTag};
use crate::rounds::{Bound, CALL};

/// A call's deadline: this, and its body at the slowest line that is worth waiting for.
const CALL_DEADLINE: Duration = Duration::from_secs(30);
const SLOWEST_BYTES_PER_SECOND: u64 = 50_000;

/// One repository of a registry.
pub struct Registry {
    connector: Connector,
    /// `https://host`, or `http://` on this machine.
    origin: String,
    repository: String,
    /// Never shown: the type has no Debug.
    authorization: Option<String>,
    /// For what may be over in a moment: 5xx, 429 and broken connections.
    attempts: Bound,
}

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Blobs that were uploaded, and their bytes.
    pub uploaded: usize,
    pub bytes: u64,
    /// False when the tag cannot be moved and is taken: somebody else has published meanwhile.
    pub tagged: bool,
}

struct Call<'a> {
    method: &'static str,
    url: String,
    content_type: &'static str,
    body: &'a [u8],
}

struct Answer {
    status: u16,
    location: Option<String>,
    digest: Option<String>,
    body: String,
}

impl Registry {
    /// `uri` is `host[:port]/repository`. Registries on this machine speak plain HTTP, as Docker has it.
    pub fn new(uri: &str, login: Option<&Login>) -> anyhow::Result<Self> {
        let (host, repository) = uri
            .split_once('/')
            .with_context(|| format!("`{uri}` names no repository of a registry"))?;
        let name = host.split(':').next().unwrap_or_default();
        let scheme = if name == "localhost" || name.starts_with("127.") {
            "http"
        } else {
            "https"
        };
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(Duration::from_secs(5))
            .build();
        let connector = Connector::builder()
            .connector_settings(settings)
            .tls_provider(tls::Provider::Rustls(
                tls::rustls_provider::CryptoMode::AwsLc,
            ))
            .build();
        let authorization = login.map(|login| {
            let pair = format!("{}:{}", login.username, login.password);
            let pair = base64::engine::general_purpose::STANDARD.encode(pair);
            format!("Basic {pair}")
        });
        Ok(Registry {
            connector,
            origin: format!("{scheme}://{host}"),
            repository: repository.to_owned(),
            authorization,
            attempts: CALL,
        })
    }

    /// Uploads what the registry lacks, all blobs at once, and then names it; whether the second
    /// tag was free is no matter. `mount_from` is another
    /// repository of this registry, whose blobs it may link instead of taking them again.
    pub async fn push(
        &self,
        image: &Image,
        tag: &ImageTag,
        second_tag: Option<&ImageTag>,
        mount_from: Option<&str>,
    ) -> anyhow::Result<Pushed> {
        let [rootfs, binary] = &image.layers;
        let (rootfs, binary, config) = tokio::try_join!(
            self.ensure(&rootfs.blob, mount_from),
            self.ensure(&binary.blob, mount_from),
            self.ensure(&image.config, None),
        )?;
        let uploads = [rootfs, binary, config];
        let second = async {
            match second_tag {
                Some(tag) => self.put_manifest(&image.manifest, tag).await,
                None => Ok(false),
            }
        };
        let (tagged, _) = tokio::try_join!(self.put_manifest(&image.manifest, tag), second)?;
        Ok(Pushed {
            uploaded: uploads.iter().flatten().count(),
            bytes: uploads.iter().flatten().sum(),
            tagged,
        })
    }

    /// The bytes that had to be uploaded; None when the registry has the blob.
    async fn ensure(&self, blob: &Blob, mount_from: Option<&str>) -> anyhow::Result<Option<u64>> {
        if self.has(&blob.digest).await? {
            return Ok(None);
        }
        self.upload(blob, mount_from).await
    }

    async fn has(&self, digest: &Digest) -> anyhow::Result<bool> {
        let tried = format!("pushing {} to {}", digest.short(), self.shown());
        let asked = self
            .call(&self.get("HEAD", &format!("blobs/{digest}")), &tried)
            .await?;
        match asked.status {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(refusal(&asked, &tried)),
        }
    }

    /// An upload that broke off cannot be taken up again: a new one begins.
    async fn upload(&self, blob: &Blob, mount_from: Option<&str>) -> anyhow::Result<Option<u64>> {
        let tried = format!("pushing {} to {}", blob.digest.short(), self.shown());
        let mut failure = anyhow::anyhow!("{tried}");
        // Whoever pushes gives all of it up when the user asks to stop.
        let mut rounds = self.attempts.rounds(&Interrupt::never(), &tried);
        while rounds.again().await? {
            match self.upload_once(blob, mount_from, &tried).await {
                Err(error) if error.downcast_ref::<Problem>().is_none() => failure = error,
                result => return result,
            }
        }
        Err(failure.context(self.gave_up()))
    }

    async fn upload_once(
        &self,
        blob: &Blob,
        mount_from: Option<&str>,
        tried: &str,
    ) -> anyhow::Result<Option<u64>> {
        let mount = mount_from
            .map(|from| format!("?mount={}&from={from}", blob.digest))
            .unwrap_or_default();
        let opened = self
            .call(&self.get("POST", &format!("blobs/uploads/{mount}")), tried)
            .await?;
        match opened.status {
            201 if mount_from.is_some() => return Ok(None),
            202 => {}
            _ => return Err(refusal(&opened, tried)),
        }
        let location = opened
            .location
            .with_context(|| format!("{tried}: the registry gave no address for the upload"))?;
        let url = self.upload_url(&location, &blob.digest);
        let put = Call {
            method: "PUT",
            url,
            content_type: "application/octet-stream",
            body: &blob.bytes,
        };
        // Once only: whether an upload that failed can be repeated at its address is not defined.
        let answer = self
            .call_once(&put)
            .await
            .with_context(|| tried.to_owned())?;
        match answer.status {
            201 | 204 => Ok(Some(blob.bytes.len() as u64)),
            429 | 500.. => anyhow::bail!("{tried}: {} {}", answer.status, message(&answer)),
            _ => Err(refusal(&answer, tried)),
        }
    }

    /// False when the tag is taken and cannot be moved.
    async fn put_manifest(&self, manifest: &Blob, tag: &ImageTag) -> anyhow::Result<bool> {
        let tried = format!("tagging {} as {tag}", self.shown());
        let put = Call {
            method: "PUT",
            content_type: MANIFEST_TYPE,
            body: &manifest.bytes,
            ..self.get("PUT", &format!("manifests/{tag}"))
        };
        let answer = self.call(&put, &tried).await?;
        match answer.status {
            200..300 => {}
            400..500 if is_immutable(&answer.body) => return Ok(false),
            _ => return Err(refusal(&answer, &tried)),
        }
        match answer.digest {
            Some(digest) if digest != manifest.digest.as_str() => Err(Problem::failed(
                format!("{tried}: the registry calls {} {digest}", manifest.digest),
                "the image was changed on its way: run the command again",
            )
            .into()),
            _ => Ok(true),
        }
    }

    fn get(&self, method: &'static str, path: &str) -> Call<'static> {
        Call {
            method,
            url: format!("{}/v2/{}/{path}", self.origin, self.repository),
            content_type: "application/octet-stream",
            body: &[],
        }
    }

    /// A location may be relative, and may have a query already.
    fn upload_url(&self, location: &str, digest: &Digest) -> String {
        let absolute = if location.starts_with('/') {
            format!("{}{location}", self.origin)
        } else {
            location.to_owned()
        };
        let joint = if absolute.contains('?') { '&' } else { '?' };
        format!("{absolute}{joint}digest={digest}")
    }

    fn shown(&self) -> String {
        let host = self.origin.split("//").last().unwrap_or_default();
        format!("{host}/{}", self.repository)
    }

    /// With new attempts for what may be over in a moment; the last answer, whatever it says.
    async fn call(&self, call: &Call<'_>, tried: &str) -> anyhow::Result<Answer> {
        let mut failure = anyhow::anyhow!("{tried}");
        // Whoever pushes gives all of it up when the user asks to stop.
        let mut rounds = self.attempts.rounds(&Interrupt::never(), tried);
        while rounds.again().await? {
            failure = match self.call_once(call).await {
                Ok(answer) if answer.status < 500 && answer.status != 429 => return Ok(answer),
                Ok(answer) => refusal(&answer, tried),
                Err(error) => error.context(tried.to_owned()),
            };
        }
        Err(failure.context(self.gave_up()))
    }

    fn gave_up(&self) -> String {
        format!("gave up after {} attempts", self.attempts.count())
    }

    async fn call_once(&self, call: &Call<'_>) -> anyhow::Result<Answer> {
        let size = call.body.len() as u64;
        let deadline = CALL_DEADLINE + Duration::from_secs(size / SLOWEST_BYTES_PER_SECOND);
        let answer = tokio::time::timeout(deadline, self.send(call)).await;
        answer.with_context(|| {
            format!("{}: no answer within {} s", self.origin, deadline.as_secs())
        })?
    }

    async fn send(&self, call: &Call<'_>) -> anyhow::Result<Answer> {
        let mut request = HttpRequest::new(SdkBody::from(call.body));
        request.set_method(call.method).context("the method")?;
        request
            .set_uri(call.url.as_str())
            .with_context(|| format!("the address {}", call.url))?;
        let headers = request.headers_mut();
        headers.insert("user-agent", "cargo-xtask");
        if call.method != "HEAD" {
            headers.insert("content-type", call.content_type);
            headers.insert("content-length", call.body.len().to_string());
        }
        // An upload may be sent to another host, which the login is not for.
        let ours = call.url.strip_prefix(&self.origin);
        if let Some(authorization) = &self.authorization
            && ours.is_some_and(|rest| rest.starts_with('/'))
        {
            headers.insert("authorization", authorization.clone());
        }
        let response = self.connector.call(request).await.map_err(|error| {
            let error: Box<dyn std::error::Error + Send + Sync> = error.into();
            anyhow::anyhow!("{}: {error}", self.origin)
        })?;
        let status = response.status().as_u16();
        let header = |name| response.headers().get(name).map(str::to_owned);
        let (location, digest) = (header("location"), header("docker-content-digest"));
        let body = ByteStream::new(response.into_body())
            .collect()
            .await
            .context("reading the registry's answer")?;
        Ok(Answer {
            status,
            location,
            digest,
            body: String::from_utf8_lossy(&body.into_bytes()).into_owned(),
        })
    }
}

/// The words of the registry's first error: `{"errors": [{"code", "message"}]}`.
fn message(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let first = &body["errors"][0];
    match (first["code"].as_str(), first["message"].as_str()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => answer.body.chars().take(200).collect(),
    }
}

fn refusal(answer: &Answer, tried: &str) -> anyhow::Error {
    let hint = match answer.status {
        401 | 403 => {
            "the role in use may not push to this repository; infra/foundation/README.md lists what each job needs"
        }
        404 => "the repository is not there: apply infra/foundation, whose README has the steps",
        _ => "run the command again; what was uploaded is not uploaded again",
    };
    Problem::failed(
        format!("{tried}: {} {}", answer.status, message(answer)),
        hint,
    )
    .into()
}

/// ECR's TAG_INVALID or ImageTagAlreadyExists, in whichever words.
fn is_immutable(body: &str) -> bool {
    body.contains("immutable")
}

#[cfg(test)]
mod tests;
