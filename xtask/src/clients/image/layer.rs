//! A layer: files as a tar without times or owners, compressed, with both of its digests.

use std::io::Write as _;

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use super::Blob;
use crate::names::Digest;

/// Chosen by numbers: the api's 8.2 MB become 4.8 MB in 75 ms at level 1, 4.1 in 96 at 2, 3.9 in 144
/// at 6. From 1 to 2 the upload gains more than the compressor loses on any line up to 250 Mbit/s;
/// from 2 to 6 only on one below 30.
pub const COMPRESSION: Compression = Compression::new(2);

#[derive(Debug, Clone)]
pub struct Layer {
    pub blob: Blob,
    /// The digest of the tar before its compression, by which an image's config names it.
    pub diff_id: Digest,
    /// For `docker history`.
    pub made_by: &'static str,
}

/// One entry of a layer; paths are relative to the image's root.
pub struct Entry<'a> {
    pub path: &'a str,
    pub mode: u32,
    /// None for a folder.
    pub content: Option<&'a [u8]>,
}

pub fn of_entries(entries: &[Entry<'_>], made_by: &'static str) -> anyhow::Result<Layer> {
    let packed = || format!("packing a layer of the image ({made_by})");
    let tar = tar(entries).with_context(packed)?;
    let mut encoder = GzEncoder::new(Vec::new(), COMPRESSION);
    encoder.write_all(&tar).with_context(packed)?;
    Ok(Layer {
        diff_id: digest_of(&tar),
        blob: Blob::new(encoder.finish().with_context(packed)?),
        made_by,
    })
}

/// Everything in it belongs to root and is as old as the epoch.
fn tar(entries: &[Entry<'_>]) -> std::io::Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for entry in entries {
        let mut header = Header::new_ustar();
        header.set_entry_type(match entry.content {
            Some(_) => EntryType::Regular,
            None => EntryType::Directory,
        });
        header.set_mode(entry.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        let content = entry.content.unwrap_or_default();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, entry.path, content)?;
    }
    builder.into_inner()
}

pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::of(&Sha256::digest(bytes).into())
}
