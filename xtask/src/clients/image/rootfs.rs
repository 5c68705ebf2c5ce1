//! The few files that a static binary cannot do without.

use base64::Engine as _;

use super::layer::{Entry, Layer, of_entries};

/// The user of the process in the image: no root, and none of the host's users.
pub const PASSWD: &str =
    "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n";

/// A layer of its own: the binary changes with every edit, this one with a new version of ours.
pub fn layer() -> anyhow::Result<Layer> {
    let bundle = ca_bundle();
    let folder = |path, mode| Entry {
        path,
        mode,
        content: None,
    };
    let file = |path, content| Entry {
        path,
        mode: 0o644,
        content: Some(content),
    };
    let entries = [
        folder("etc/", 0o755),
        file("etc/passwd", PASSWD.as_bytes()),
        folder("etc/ssl/", 0o755),
        folder("etc/ssl/certs/", 0o755),
        file("etc/ssl/certs/ca-certificates.crt", bundle.as_bytes()),
        // All may write to it, and delete only what is theirs.
        folder("tmp/", 0o1777),
    ];
    of_entries(&entries, "etc/passwd, root certificates and tmp")
}

/// Mozilla's root certificates as PEM. They come from a crate, so that Cargo.lock pins them and every
/// machine builds the same image, whatever certificates it has itself.
pub fn ca_bundle() -> String {
    let mut bundle = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        let text = base64::engine::general_purpose::STANDARD.encode(certificate.as_ref());
        bundle.push_str("-----BEGIN CERTIFICATE-----\n");
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, tail) = rest.split_at(rest.len().min(64));
            bundle.push_str(line);
            bundle.push('\n');
            rest = tail;
        }
        bundle.push_str("-----END CERTIFICATE-----\n");
    }
    bundle
}
