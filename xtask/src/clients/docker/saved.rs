//! What `docker save` writes → an image in a file as we write it: each Docker has its own form of that
//! file, and all have `manifest.json`, which names a config and layers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom, Write};
use std::path::Path;

use anyhow::Context as _;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::clients::image::archive::{Writer, json_at, open_at, places};
use crate::clients::image::{Blob, COMPRESSION, CONFIG_TYPE, MANIFEST_TYPE};
use crate::names::{Digest, ImageTag};

const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

/// Returns the digest that a registry will know it by.
pub fn convert(saved: &Path, tag: &ImageTag, file: &Path) -> anyhow::Result<Digest> {
    let doing = || format!("reading what docker saved in {}", saved.display());
    let places = places(saved).with_context(doing)?;
    let links = links(saved).with_context(doing)?;
    let listed = json_at(saved, &places, "manifest.json").with_context(doing)?;
    let config = listed[0]["Config"].as_str().unwrap_or_default();
    let mut bytes = Vec::new();
    open_at(saved, &places, config)
        .and_then(|mut config| Ok(config.read_to_end(&mut bytes)?))
        .with_context(doing)?;
    let config = Blob::new(bytes);
    let mut writer = Writer::create(file)?;
    let mut layers = Vec::new();
    for layer in listed[0]["Layers"].as_array().into_iter().flatten() {
        let name = layer.as_str().unwrap_or_default();
        let name = links.get(name).map_or(name, String::as_str);
        let packed = open_at(saved, &places, name)
            .and_then(pack)
            .with_context(doing)?;
        let size = packed.size;
        let descriptor = json!({
            "mediaType": format!("{LAYER_TYPE}{}", packed.compression),
            "size": size,
            "digest": packed.digest.as_str(),
        });
        // Two layers may be the same: an empty one is.
        if !layers.contains(&descriptor) {
            writer.stream(&packed.digest, size, packed.content)?;
        }
        layers.push(descriptor);
    }
    let manifest = manifest(&config, &layers);
    writer.blob(&config)?;
    writer.finish(&manifest, tag)?;
    Ok(manifest.digest)
}

fn manifest(config: &Blob, layers: &[Value]) -> Blob {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {
            "mediaType": CONFIG_TYPE,
            "size": config.bytes.len(),
            "digest": config.digest.as_str(),
        },
        "layers": layers,
    });
    Blob::new(manifest.to_string().into_bytes())
}

/// Older Dockers write a layer that they have written already as a link to it.
fn links(saved: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut tar = tar::Archive::new(File::open(saved)?);
    let mut links = BTreeMap::new();
    for entry in tar.entries_with_seek()? {
        let entry = entry?;
        let Some(target) = entry.link_name()? else {
            continue;
        };
        let name = entry.path()?.into_owned();
        // `../<id>/layer.tar`, seen from `<id>/layer.tar`.
        let target = target.strip_prefix("..").unwrap_or(&target).to_owned();
        links.insert(
            name.to_string_lossy().into_owned(),
            target.to_string_lossy().into_owned(),
        );
    }
    Ok(links)
}

/// A layer as it goes to a registry, in a file that nothing names.
struct Packed {
    content: File,
    size: u64,
    digest: Digest,
    /// As its media type ends.
    compression: &'static str,
}

/// Compressed by us, unless Docker's storage has it so already.
fn pack(mut layer: impl Read) -> anyhow::Result<Packed> {
    let mut start = [0; 4];
    let length = read_start(&mut layer, &mut start)?;
    let start = &start[..length];
    let mut whole = start.chain(layer);
    let out = Hashing {
        file: tempfile::tempfile()?,
        hash: Sha256::new(),
        size: 0,
    };
    let (out, compression) = match start {
        [0x1f, 0x8b, ..] => (copy(&mut whole, out)?, "+gzip"),
        [0x28, 0xb5, 0x2f, 0xfd] => (copy(&mut whole, out)?, "+zstd"),
        _ => {
            let mut encoder = GzEncoder::new(out, COMPRESSION);
            std::io::copy(&mut whole, &mut encoder)?;
            (encoder.finish()?, "+gzip")
        }
    };
    let Hashing {
        mut file,
        hash,
        size,
    } = out;
    file.seek(SeekFrom::Start(0))?;
    Ok(Packed {
        content: file,
        size,
        digest: Digest::of(&hash.finalize().into()),
        compression,
    })
}

fn copy(from: &mut impl Read, mut to: Hashing) -> std::io::Result<Hashing> {
    std::io::copy(from, &mut to)?;
    Ok(to)
}

fn read_start(layer: &mut impl Read, start: &mut [u8; 4]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < start.len() {
        match layer.read(&mut start[length..])? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

/// A file that knows its digest.
struct Hashing {
    file: File,
    hash: Sha256,
    size: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::image::archive::Archive;
    use crate::clients::image::digest_of;

    fn saved(entries: &[(&str, Vec<u8>)], link: Option<(&str, &str)>) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut builder = tar::Builder::new(file.reopen().unwrap());
        for (name, bytes) in entries {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder
                .append_data(&mut header, name, bytes.as_slice())
                .unwrap();
        }
        if let Some((name, target)) = link {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            builder.append_link(&mut header, name, target).unwrap();
        }
        builder.finish().unwrap();
        file
    }

    /// The form of Docker 24 and before: folders of layers, and a link where one comes twice.
    #[test]
    fn folders_of_layers() {
        let names = r#"[{"Config": "c.json", "Layers": ["a/layer.tar", "b/layer.tar"]}]"#;
        let entries = [
            ("a/layer.tar", b"one layer".to_vec()),
            ("c.json", b"{}".to_vec()),
            ("manifest.json", names.into()),
        ];
        let from = saved(&entries, Some(("b/layer.tar", "../a/layer.tar")));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("image.tar");
        let tag = ImageTag::parse("a-tag").unwrap();
        let digest = convert(from.path(), &tag, &file).unwrap();
        let archive = Archive::open(&file, &digest).unwrap();
        let [first, second, config] = archive.parts.as_slice() else {
            panic!("{:?}", archive.parts)
        };
        assert_eq!(first, second);
        assert_eq!(*config, digest_of(b"{}"));
        let packed = archive.blob(first).unwrap().bytes;
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "one layer");
    }

    /// The form of Docker 25 and later. What its storage has compressed stays as it is.
    #[test]
    fn blobs_that_are_compressed_already() {
        let gzip = [&[0x1f, 0x8b][..], b" and more"].concat();
        let zstd = [&[0x28, 0xb5, 0x2f, 0xfd][..], b" and more"].concat();
        let names =
            r#"[{"Config": "blobs/sha256/c", "Layers": ["blobs/sha256/g", "blobs/sha256/z"]}]"#;
        let entries = [
            ("blobs/sha256/c", b"{}".to_vec()),
            ("blobs/sha256/g", gzip.clone()),
            ("blobs/sha256/z", zstd.clone()),
            ("manifest.json", names.into()),
        ];
        let from = saved(&entries, None);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("image.tar");
        let tag = ImageTag::parse("a-tag").unwrap();
        let digest = convert(from.path(), &tag, &file).unwrap();
        let archive = Archive::open(&file, &digest).unwrap();
        let expected = [digest_of(&gzip), digest_of(&zstd), digest_of(b"{}")];
        assert_eq!(archive.parts, expected);
        let manifest = String::from_utf8(archive.manifest.bytes).unwrap();
        assert!(manifest.contains("v1.tar+zstd"), "{manifest}");
    }
}
