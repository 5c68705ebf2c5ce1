//! The secrets of the sandboxes that the tests use, by the address that leads there, and the signature
//! of a call past the tool.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

use aws_sdk_sts::config::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use base64::Engine as _;
use serde::Deserialize;

/// What the sandbox has in its file.
#[derive(Debug, Clone, Deserialize)]
pub struct Keys {
    pub control_id: String,
    pub control_secret: String,
    pub tasks_id: String,
    pub tasks_secret: String,
    pub registry_password: String,
    pub github_token: String,
}

static KNOWN: LazyLock<Mutex<HashMap<String, Keys>>> = LazyLock::new(Mutex::default);

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Control,
    Tasks,
}

impl Keys {
    /// Of the sandbox in a checkout.
    pub fn of(checkout: &Path) -> Keys {
        let file = checkout.join("target/xtask/sandbox/keys.json");
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
    }

    /// What the registry asks for, as the header Authorization.
    pub fn login(&self) -> String {
        let pair = format!("AWS:{}", self.registry_password);
        let pair = base64::engine::general_purpose::STANDARD.encode(pair);
        format!("Basic {pair}")
    }

    /// The headers of a signed call: `headers` and those of the signature.
    pub fn signed(
        &self,
        who: Who,
        service: &str,
        (method, url): (&str, &str),
        headers: &[(&str, &str)],
        body: &str,
    ) -> Vec<(String, String)> {
        let (id, secret) = match who {
            Who::Control => (&self.control_id, &self.control_secret),
            Who::Tasks => (&self.tasks_id, &self.tasks_secret),
        };
        let identity: Identity = Credentials::new(id, secret, None, None, "test").into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(service)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let body = SignableBody::Bytes(body.as_bytes());
        let request = SignableRequest::new(method, url, headers.iter().copied(), body).unwrap();
        let (instructions, _) = sign(request, &params).unwrap().into_parts();
        let own = headers.iter().copied();
        let all = own.chain(instructions.headers());
        all.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

/// From now on calls of this address have these keys.
pub fn know(endpoint: &str, keys: Keys) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.insert(endpoint.to_owned(), keys);
}

/// What stands before a sandbox leads to the same one.
pub fn know_as(endpoint: &str, before: &str) {
    if let Some(keys) = of(before) {
        know(endpoint, keys);
    }
}

pub fn of(endpoint: &str) -> Option<Keys> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.get(endpoint).cloned()
}
