//! An image in a file: an OCI image layout as one tar, from the job that built it to the one that
//! may push it. Whoever reads it names the digest; everything in the file is checked against that.
//! <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};
use tar::{Builder, Header};

use super::{Blob, MANIFEST_TYPE};
use crate::failure::Problem;
use crate::names::{Digest, ImageTag};

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// The tag, as the specification has it.
const TAG: &str = "org.opencontainers.image.ref.name";
/// No index, manifest or config of an image is as long.
const MAX_JSON: u64 = 4_000_000;
/// No image has as many layers.
const MAX_ENTRIES: usize = 10_000;
const MANIFEST_KEY: &str = "manifests";

/// Writes the file, blob by blob and the index last: what was cut off has none.
pub struct Writer {
    builder: Builder<File>,
    file: PathBuf,
}

impl Writer {
    pub fn create(file: &Path) -> anyhow::Result<Self> {
        let doing = || format!("writing the image to {}", file.display());
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).with_context(doing)?;
        }
        let builder = Builder::new(File::create(file).with_context(doing)?);
        let mut writer = Writer {
            builder,
            file: file.to_owned(),
        };
        writer.add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(writer)
    }

    pub fn blob(&mut self, blob: &Blob) -> anyhow::Result<()> {
        self.add(&path_of(&blob.digest), &blob.bytes)
    }

    /// A blob that is too big to be in memory.
    pub fn stream(&mut self, digest: &Digest, size: u64, content: impl Read) -> anyhow::Result<()> {
        let mut header = header(size);
        let added = self
            .builder
            .append_data(&mut header, path_of(digest), content);
        added.with_context(|| format!("writing the image to {}", self.file.display()))
    }

    /// The image that the blobs make, and the tag that it is to bear.
    pub fn finish(mut self, manifest: &Blob, tag: &ImageTag) -> anyhow::Result<()> {
        self.blob(manifest)?;
        let index = json!({
            "schemaVersion": 2,
            "mediaType": INDEX_TYPE,
            MANIFEST_KEY: [{
                "mediaType": MANIFEST_TYPE,
                "digest": manifest.digest.as_str(),
                "size": manifest.bytes.len(),
                "annotations": { TAG: tag.as_str() },
            }],
        });
        self.add("index.json", index.to_string().as_bytes())?;
        let file = self.file;
        let written = self.builder.into_inner().and_then(|file| file.sync_all());
        written.with_context(|| format!("writing the image to {}", file.display()))
    }

    fn add(&mut self, path: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let mut header = header(bytes.len() as u64);
        let added = self.builder.append_data(&mut header, path, bytes);
        added.with_context(|| format!("writing the image to {}", self.file.display()))
    }
}

fn header(size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(size);
    header
}

fn path_of(digest: &Digest) -> String {
    format!("blobs/{}", digest.as_str().replace(':', "/"))
}

/// An image in a file, whose manifest is the one that was asked for.
#[derive(Debug)]
pub struct Archive {
    file: PathBuf,
    /// Where each entry is in the file, and how long.
    places: BTreeMap<String, (u64, u64)>,
    /// The tag that its builder gave it.
    pub tag: ImageTag,
    pub manifest: Blob,
    /// The layers and the config, in this order.
    pub parts: Vec<Digest>,
}

impl Archive {
    /// Refuses a file that holds another image than `digest` names.
    pub fn open(file: &Path, digest: &Digest) -> anyhow::Result<Self> {
        let reading = || format!("reading the image from {}", file.display());
        let places = places(file).with_context(reading)?;
        let index = json_at(file, &places, "index.json").with_context(|| no_image(file))?;
        let listed = &index[MANIFEST_KEY][0];
        let found = listed["digest"].as_str().unwrap_or_default();
        if found != digest.as_str() {
            return Err(another(file, found, digest).into());
        }
        let tag = listed["annotations"][TAG].as_str().unwrap_or_default();
        let tag = ImageTag::parse(tag)
            .map_err(anyhow::Error::msg)
            .with_context(|| no_image(file))?;
        let mut archive = Archive {
            file: file.to_owned(),
            places,
            tag,
            manifest: Blob::new(Vec::new()),
            parts: Vec::new(),
        };
        archive.manifest = archive.blob(digest)?;
        archive.parts = archive.parts_of_manifest().with_context(reading)?;
        Ok(archive)
    }

    /// A blob, whose bytes are what its digest says.
    pub fn blob(&self, digest: &Digest) -> anyhow::Result<Blob> {
        let reading = || {
            format!(
                "reading {} of the image in {}",
                digest.short(),
                self.file.display()
            )
        };
        let path = path_of(digest);
        let bytes = bytes_at(&self.file, &self.places, &path, u64::MAX).with_context(reading)?;
        let blob = Blob::new(bytes);
        if blob.digest != *digest {
            return Err(another(&self.file, blob.digest.as_str(), digest).into());
        }
        Ok(blob)
    }

    fn parts_of_manifest(&self) -> anyhow::Result<Vec<Digest>> {
        let manifest: Value = serde_json::from_slice(&self.manifest.bytes)?;
        let layers = manifest["layers"].as_array().into_iter().flatten();
        let parts = layers.chain(std::iter::once(&manifest["config"]));
        parts
            .map(|part| {
                let digest = part["digest"].as_str().unwrap_or_default();
                Digest::parse(digest).map_err(anyhow::Error::msg)
            })
            .collect()
    }
}

fn another(file: &Path, found: &str, wanted: &Digest) -> Problem {
    Problem::refused(
        format!("{} holds {found}, and not {wanted}", file.display()),
        "give the file and the digest that one `cargo xtask build` made",
    )
}

fn no_image(file: &Path) -> Problem {
    Problem::failed(
        format!("{} is no image that was written whole", file.display()),
        "write it again: cargo xtask build --output FILE",
    )
}

/// The regular files of a tar, by their names. Headers that go before an entry and say more about it are
/// passed over: what they hold would be in memory before anything of the file is checked.
pub fn places(file: &Path) -> anyhow::Result<BTreeMap<String, (u64, u64)>> {
    let mut tar = tar::Archive::new(File::open(file)?);
    let mut places = BTreeMap::new();
    for (index, entry) in tar.entries_with_seek()?.raw(true).enumerate() {
        anyhow::ensure!(
            index < MAX_ENTRIES,
            "it has more than {MAX_ENTRIES} entries"
        );
        let entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        if entry.header().entry_type().is_file() {
            places.insert(name, (entry.raw_file_position(), entry.size()));
        }
    }
    Ok(places)
}

/// One of them, from its beginning to its end.
pub fn open_at(
    file: &Path,
    places: &BTreeMap<String, (u64, u64)>,
    name: &str,
) -> anyhow::Result<impl Read> {
    let (position, size) = places
        .get(name)
        .with_context(|| format!("there is no {name} in it"))?;
    let mut opened = File::open(file)?;
    opened.seek(SeekFrom::Start(*position))?;
    Ok(BufReader::new(opened).take(*size))
}

fn bytes_at(
    file: &Path,
    places: &BTreeMap<String, (u64, u64)>,
    name: &str,
    max: u64,
) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = open_at(file, places, name)?
        .take(max)
        .read_to_end(&mut bytes)?;
    let whole = places
        .get(name)
        .is_some_and(|(_, size)| *size == read as u64);
    anyhow::ensure!(whole, "{name} is cut off, or too long");
    Ok(bytes)
}

pub fn json_at(
    file: &Path,
    places: &BTreeMap<String, (u64, u64)>,
    name: &str,
) -> anyhow::Result<Value> {
    let bytes = bytes_at(file, places, name, MAX_JSON)?;
    serde_json::from_slice(&bytes).with_context(|| format!("{name} is no JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::image::assemble;
    use crate::names::Platform;

    fn written() -> (tempfile::TempDir, PathBuf, Digest) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/image.tar");
        let image = assemble("api", b"\x7fELF", Platform::LinuxAmd64, false).unwrap();
        image
            .write(&file, &ImageTag::parse("a-tag").unwrap())
            .unwrap();
        (folder, file, image.manifest.digest)
    }

    #[test]
    fn an_image_comes_back_as_it_was_written() {
        let (_folder, file, digest) = written();
        let archive = Archive::open(&file, &digest).unwrap();
        assert_eq!(archive.tag.as_str(), "a-tag");
        assert_eq!(archive.manifest.digest, digest);
        assert_eq!(archive.parts.len(), 3);
        for part in &archive.parts {
            assert_eq!(archive.blob(part).unwrap().digest, *part);
        }
    }

    #[test]
    fn another_image_than_the_one_that_is_named_is_refused() {
        let (_folder, file, digest) = written();
        let other = Digest::of(&[7; 32]);
        let error = Archive::open(&file, &other).unwrap_err().to_string();
        assert!(
            error.contains(&format!("holds {digest}, and not {other}")),
            "{error}"
        );
    }

    /// Every byte counts: whoever could write to the file in between has changed nothing unseen.
    #[test]
    fn a_changed_byte_of_any_blob_is_seen() {
        let (_folder, file, digest) = written();
        let places = places(&file).unwrap();
        let whole = std::fs::read(&file).unwrap();
        let blobs = places.iter().filter(|(name, _)| name.starts_with("blobs/"));
        for (name, (position, _)) in blobs {
            let mut bytes = whole.clone();
            bytes[usize::try_from(*position).unwrap()] ^= 1;
            std::fs::write(&file, bytes).unwrap();
            let read = Archive::open(&file, &digest).and_then(|archive| {
                archive
                    .parts
                    .iter()
                    .try_for_each(|part| archive.blob(part).map(drop))
            });
            assert!(read.is_err(), "{name}");
        }
    }

    /// A header that says it is as long as the file would be read whole.
    #[test]
    fn what_stands_before_an_entry_is_not_read() {
        let (_folder, file, digest) = written();
        let mut extended = Header::new_ustar();
        extended.set_entry_type(tar::EntryType::XHeader);
        extended.set_path("more").unwrap();
        extended.set_size(u64::MAX / 4);
        extended.set_cksum();
        let mut bytes = extended.as_bytes().to_vec();
        bytes.extend(std::fs::read(&file).unwrap());
        std::fs::write(&file, bytes).unwrap();
        assert!(Archive::open(&file, &digest).is_err());

        let (_folder, file, _) = written();
        let mut builder = Builder::new(File::create(&file).unwrap());
        let more = [("path", "another/name".as_bytes())];
        builder.append_pax_extensions(more).unwrap();
        builder.append_data(&mut header(1), "a", &b"x"[..]).unwrap();
        builder.into_inner().unwrap();
        let found = places(&file).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn a_file_that_was_cut_off_is_no_image() {
        let (_folder, file, digest) = written();
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        assert!(Archive::open(&file, &digest).is_err());
        std::fs::write(&file, "no tar at all").unwrap();
        assert!(Archive::open(&file, &digest).is_err());
    }
}
