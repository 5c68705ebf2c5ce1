//! An OCI image assembled in process: for a static binary an image is two layers and two JSON files.
//!
//! Pure. The same inputs give the same digest on every machine: no time, no user and no path of the
//! machine is in it, and Cargo.lock pins the compressor. Knows nothing of registries.

pub mod archive;
mod layer;
mod rootfs;

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::names::{Digest, ImageTag, Platform};
pub use layer::{COMPRESSION, Layer, digest_of};
pub use rootfs::{PASSWD, ca_bundle};

pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Marks an image of uncommitted work, so that its digest is never that of a commit's image: the first
/// expires, and with it would go the second.
pub const UNCOMMITTED: &str = "background-tasks.uncommitted";
/// Nothing in an image has a time: what is in it decides its digest, not when it was made.
const CREATED: &str = "1970-01-01T00:00:00Z";
/// What Docker gives every image, even one from scratch.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Everything that goes over the wire for one image.
#[derive(Debug, Clone)]
pub struct Image {
    /// The files around the binary come first: they rarely change, so that a registry and a host
    /// that pulls have them already.
    pub layers: [Layer; 2],
    pub config: Blob,
    pub manifest: Blob,
}

impl Image {
    /// Into a file, for whoever may push it.
    pub fn write(&self, file: &Path, tag: &ImageTag) -> anyhow::Result<()> {
        let mut writer = archive::Writer::create(file)?;
        for blob in self.layers.iter().map(|layer| &layer.blob) {
            writer.blob(blob)?;
        }
        writer.blob(&self.config)?;
        writer.finish(&self.manifest, tag)
    }
}

/// Bytes and the digest that a registry knows them by.
#[derive(Debug, Clone)]
pub struct Blob {
    pub digest: Digest,
    pub bytes: Vec<u8>,
}

impl Blob {
    pub fn new(bytes: Vec<u8>) -> Self {
        Blob {
            digest: digest_of(&bytes),
            bytes,
        }
    }
}

/// The image of a static binary, which is its entrypoint: `/<name>`. It compresses, so call it where
/// that blocks nobody.
pub fn assemble(
    name: &str,
    binary: &[u8],
    platform: Platform,
    uncommitted: bool,
) -> anyhow::Result<Image> {
    let entry = layer::Entry {
        path: name,
        mode: 0o755,
        content: Some(binary),
    };
    let layers = [
        rootfs::layer()?,
        layer::of_entries(&[entry], "the static binary")?,
    ];
    let config = Blob::new(config(name, &layers, platform).into_bytes());
    let manifest = manifest(&layers, &config);
    let manifest = marked(&manifest, uncommitted).context("the manifest of the image")?;
    let manifest = Blob::new(manifest.into_bytes());
    Ok(Image {
        layers,
        config,
        manifest,
    })
}

/// What decides an image beside its binary: the text changes when the recipe here does.
pub fn recipe(name: &str, platform: Platform) -> anyhow::Result<String> {
    Ok(config(name, &[rootfs::layer()?], platform))
}

/// The manifest of an image of ours with the mark of uncommitted work, or without. None when it is no
/// manifest.
pub fn marked(manifest: &str, uncommitted: bool) -> Option<String> {
    let mut manifest: Value = serde_json::from_str(manifest).ok()?;
    let fields = manifest.as_object_mut()?;
    fields.shift_remove("annotations");
    if uncommitted {
        fields.insert("annotations".into(), json!({ UNCOMMITTED: "true" }));
    }
    Some(manifest.to_string())
}

fn config(name: &str, layers: &[Layer], platform: Platform) -> String {
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let history: Vec<_> = layers
        .iter()
        .map(|layer| json!({ "created": CREATED, "created_by": layer.made_by }))
        .collect();
    json!({
        "created": CREATED,
        "architecture": platform.oci_arch(),
        "os": "linux",
        // The same as in api/Dockerfile; a test compares the two.
        "config": {
            "User": "65532:65532",
            "ExposedPorts": { "8080/tcp": {} },
            "Env": [PATH],
            "Entrypoint": [format!("/{name}")],
            "WorkingDir": "/",
        },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": history,
    })
    .to_string()
}

fn manifest(layers: &[Layer], config: &Blob) -> String {
    let descriptor = |media_type: &str, blob: &Blob| {
        json!({
            "mediaType": media_type,
            "size": blob.bytes.len(),
            "digest": blob.digest.as_str(),
        })
    };
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| descriptor(LAYER_TYPE, &layer.blob))
        .collect();
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor(CONFIG_TYPE, config),
        "layers": layers,
    })
    .to_string()
}

#[cfg(test)]
mod tests;
