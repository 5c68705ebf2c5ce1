//! What `build-and-publish` did, and the bytes of the image that is in the registry then.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use super::generator::Workspace;
use crate::harness::{Ended, Shared, as_if_real, keys};

/// An image that was published.
pub struct Published {
    pub tag: String,
    pub digest: String,
    /// There was nothing to build, and nobody asked cargo.
    pub skipped: bool,
    host: String,
    repository: String,
    pub stderr: String,
}

pub fn publish(shared: &Shared, workspace: &Workspace, flags: &[&str]) -> Ended {
    let args = [&["build-and-publish", "--json"], flags].concat();
    let mut call = as_if_real(workspace.checkout.xtask(args), &shared.endpoint)
        .env("CARGO_TARGET_DIR", workspace.target());
    if let Some((name, value)) = &workspace.variable {
        call = call.env(name, value.as_str());
    }
    call.run()
}

impl Published {
    #[track_caller]
    pub fn of(ended: Ended) -> Published {
        let ended = ended.expect_code(0);
        let document: Value = serde_json::from_str(&ended.stdout).unwrap();
        let result = &document["result"];
        let text = |key: &str| result[key].as_str().unwrap().to_owned();
        let image = text("image");
        let (host, rest) = image.split_once('/').unwrap();
        let (repository, _) = rest.split_once(':').unwrap();
        Published {
            tag: text("tag"),
            digest: text("digest"),
            skipped: ended.stderr.contains("– build"),
            host: host.to_owned(),
            repository: repository.to_owned(),
            stderr: ended.stderr,
        }
    }

    pub fn is_dirty(&self) -> bool {
        self.tag.contains("-dirty-")
    }

    /// The files of the image's last layer, which is the binary's.
    pub fn layer(&self) -> Vec<u8> {
        let manifest = self.get(&format!("manifests/{}", self.digest));
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let layer = manifest["layers"].as_array().unwrap().last().unwrap();
        let packed = self.get(&format!("blobs/{}", layer["digest"].as_str().unwrap()));
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    }

    /// Bytes, which the harness' own requests take for text.
    fn get(&self, path: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        // HTTP/1.0 has no chunks.
        let path = format!("/v2/{}/{path}", self.repository);
        // Its name is localhost, as Docker has it.
        let endpoint = self.host.replace("localhost", "http://127.0.0.1");
        let login = keys::of(&endpoint).unwrap().login();
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: {login}\r\n\r\n",
            self.host
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let body = answer.split_off(end.unwrap() + 4);
        assert!(
            answer.windows(5).any(|five| five == b" 200 "),
            "{path}: {}",
            String::from_utf8_lossy(&answer)
        );
        body
    }
}
