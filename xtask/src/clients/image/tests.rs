use std::io::Read as _;

use super::*;

/// Path → mode, owner, time and size of what is in a layer.
fn entries(layer: &Layer) -> Vec<String> {
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(layer.blob.bytes.as_slice())
        .read_to_end(&mut tar)
        .unwrap();
    assert_eq!(digest_of(&tar), layer.diff_id);
    let mut archive = tar::Archive::new(tar.as_slice());
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let header = entry.header();
        format!(
            "{} {:o} {}:{} {}",
            entry.path().unwrap().display(),
            header.mode().unwrap(),
            header.uid().unwrap(),
            header.gid().unwrap(),
            header.mtime().unwrap(),
        )
    });
    entries.collect()
}

#[test]
fn the_layers_hold_what_the_dockerfile_copies() {
    let image = assemble("api", b"\x7fELF", Platform::LinuxAmd64, false).unwrap();
    let layers: Vec<Vec<String>> = image.layers.iter().map(entries).collect();
    assert_eq!(
        layers[0],
        [
            "etc/ 755 0:0 0",
            "etc/passwd 644 0:0 0",
            "etc/ssl/ 755 0:0 0",
            "etc/ssl/certs/ 755 0:0 0",
            "etc/ssl/certs/ca-certificates.crt 644 0:0 0",
            "tmp/ 1777 0:0 0",
        ]
    );
    assert_eq!(layers[1], ["api 755 0:0 0"]);
}

/// Two machines, and two versions of this tool, agree on these digests. Whoever changes them on
/// purpose changes the image of every commit: its content tag changes with it.
#[test]
fn the_same_inputs_give_the_same_digest() {
    let binary: Vec<u8> = (0..300_000_u32)
        .map(|i| ((i * (i % 997)) >> 9) as u8)
        .collect();
    let image = assemble("api", &binary, Platform::LinuxAmd64, false).unwrap();
    assert_eq!(
        image.layers[1].diff_id.as_str(),
        "sha256:e812c19b06e385a4b37d5425df1631649f9f2a9454b0ad6e225ef10b9c867682"
    );
    assert_eq!(
        image.layers[1].blob.digest.as_str(),
        "sha256:3a62901ad0c2af6882cd01a961065201311814f20fc286c191f071c5d4ed3416"
    );
    let again = assemble("api", &binary, Platform::LinuxAmd64, false).unwrap();
    assert_eq!(image.manifest.digest, again.manifest.digest);
    let other = assemble("api", &binary, Platform::LinuxArm64, false).unwrap();
    assert_ne!(image.manifest.digest, other.manifest.digest);
    assert_eq!(image.layers[1].blob.digest, other.layers[1].blob.digest);
}

#[test]
fn the_manifest_names_its_blobs_with_their_sizes() {
    let image = assemble("api", b"binary", Platform::LinuxArm64, false).unwrap();
    let manifest: Value = serde_json::from_slice(&image.manifest.bytes).unwrap();
    let described = |blob: &Blob| (blob.digest.to_string(), blob.bytes.len() as u64);
    let named = |value: &Value| {
        (
            value["digest"].as_str().unwrap().to_owned(),
            value["size"].as_u64().unwrap(),
        )
    };
    assert_eq!(named(&manifest["config"]), described(&image.config));
    let layers: Vec<_> = manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(named)
        .collect();
    let expected: Vec<_> = image
        .layers
        .iter()
        .map(|layer| described(&layer.blob))
        .collect();
    assert_eq!(layers, expected);
    let config: Value = serde_json::from_slice(&image.config.bytes).unwrap();
    assert_eq!(config["architecture"], "arm64");
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/api"]));
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);
}

/// ECR expires images of uncommitted work, whatever other tags they have.
#[test]
fn uncommitted_work_is_another_image_of_the_same_layers() {
    let clean = assemble("api", b"binary", Platform::LinuxAmd64, false).unwrap();
    let dirty = assemble("api", b"binary", Platform::LinuxAmd64, true).unwrap();
    assert_ne!(clean.manifest.digest, dirty.manifest.digest);
    assert_eq!(clean.config.digest, dirty.config.digest);
    // One becomes the other without a build.
    let text = |image: &Image| String::from_utf8(image.manifest.bytes.clone()).unwrap();
    assert_eq!(marked(&text(&dirty), false), Some(text(&clean)));
    assert_eq!(marked(&text(&clean), true), Some(text(&dirty)));
    assert_eq!(marked("[]", true), None);
}

#[test]
fn the_bundle_is_pem() {
    let bundle = ca_bundle();
    assert!(bundle.matches("-----BEGIN CERTIFICATE-----").count() > 100);
    assert!(bundle.lines().all(|line| line.len() <= 64));
}
