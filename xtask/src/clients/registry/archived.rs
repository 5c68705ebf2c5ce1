//! The push of an image that is in a file, one blob in memory at a time.

use super::{Pushed, Registry};
use crate::clients::image::archive::Archive;
use crate::names::ImageTag;

impl Registry {
    /// Uploads what the registry lacks, and then names it.
    pub async fn push_archive(&self, image: &Archive, tag: &ImageTag) -> anyhow::Result<Pushed> {
        let (mut uploaded, mut bytes) = (0, 0);
        for part in &image.parts {
            if self.has(part).await? {
                continue;
            }
            let sent = self.upload(&image.blob(part)?, None).await?;
            bytes += sent.unwrap_or_default();
            uploaded += 1;
        }
        let tagged = self.put_manifest(&image.manifest, tag).await?;
        Ok(Pushed {
            uploaded,
            bytes,
            tagged,
        })
    }
}
