use super::*;
use crate::clients::answering::{Server, block_on};
use crate::clients::image::assemble;
use crate::names::Platform;

fn push(server: &Server) -> Pushed {
    let image = assemble("api", b"\x7fELF", Platform::LinuxAmd64, false).unwrap();
    let tag = ImageTag::parse("tag").unwrap();
    let registry = Registry {
        attempts: CALL.at_once(),
        ..registry(&format!("127.0.0.1:{}/api", server.port))
    };
    block_on(registry.push(&image, &tag, None, None)).unwrap()
}

/// One layer is there from a push that was cut off, and that says nothing of the others.
#[test]
fn every_blob_that_is_missing_is_uploaded_before_anything_names_the_image() {
    let there = assemble("api", b"\x7fELF", Platform::LinuxAmd64, false).unwrap();
    let there = there.layers[0].blob.digest.to_string();
    let server = Server::start(move |_, request| {
        let (method, path) = request.split_once(' ').unwrap();
        Some(match method {
            "HEAD" if path.contains(&there) => (200, "", String::new()),
            "HEAD" => (404, "", String::new()),
            "POST" => (202, "location: /upload\r\n", String::new()),
            _ => (201, "", String::new()),
        })
    });
    let pushed = push(&server);
    assert_eq!((pushed.uploaded, pushed.tagged), (2, true));
    let requests = server.requests();
    let puts = requests.iter().filter(|sent| sent.starts_with("PUT "));
    let paths: Vec<&str> = puts
        .map(|sent| sent.split(['?', ' ']).nth(1).unwrap())
        .collect();
    assert_eq!(paths, ["/upload", "/upload", "/v2/api/manifests/tag"]);
}

#[test]
fn a_tag_that_is_taken_is_not_ours() {
    let server = Server::start(|_, request| {
        let refusal = r#"{"errors": [{"code": "TAG_INVALID", "message": "The image tag 'tag' already exists in the 'api' repository and cannot be overwritten because the repository is immutable."}]}"#;
        Some(match request.starts_with("HEAD ") {
            true => (200, "", String::new()),
            false => (400, "", refusal.to_owned()),
        })
    });
    let pushed = push(&server);
    assert_eq!((pushed.uploaded, pushed.tagged), (0, false));
}

/// A registry that is busy for longer than a moment, in each call of a push and in the upload itself.
#[test]
fn what_may_pass_is_tried_as_long_as_with_github() {
    assert_eq!(registry("127.0.0.1:1/api").attempts, CALL);
    for busy in [429, 503] {
        for method in ["HEAD ", "POST ", "PUT /upload", "PUT /v2/"] {
            let refused = std::sync::atomic::AtomicU32::new(0);
            let server = Server::start(move |_, request| {
                let again = std::sync::atomic::Ordering::SeqCst;
                if request.starts_with(method) && refused.fetch_add(1, again) < CALL.count() - 1 {
                    return Some((busy, "", String::new()));
                }
                Some(match request.split(' ').next() {
                    Some("HEAD") if method == "PUT /v2/" => (200, "", String::new()),
                    Some("HEAD") => (404, "", String::new()),
                    Some("POST") => (202, "location: /upload\r\n", String::new()),
                    _ => (201, "", String::new()),
                })
            });
            let pushed = push(&server);
            assert!(pushed.tagged, "{busy} {method}");
        }
    }
}

fn registry(uri: &str) -> Registry {
    Registry::new(uri, None).unwrap()
}

#[test]
fn only_this_machine_is_spoken_to_in_plain_http() {
    for (uri, origin) in [
        ("localhost:4566/api", "http://localhost:4566"),
        ("127.0.0.1:5000/a/b", "http://127.0.0.1:5000"),
        (
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/api",
            "https://123456789012.dkr.ecr.us-east-1.amazonaws.com",
        ),
        ("localhost.example.org/api", "https://localhost.example.org"),
    ] {
        assert_eq!(registry(uri).origin, origin);
    }
    assert_eq!(registry("127.0.0.1:5000/a/b").repository, "a/b");
    assert!(Registry::new("api", None).is_err());
}

#[test]
fn an_upload_goes_where_the_registry_says() {
    let digest = Digest::of(&[0; 32]);
    for (location, expected) in [
        (
            "/v2/api/blobs/uploads/1",
            "http://localhost:1/v2/api/blobs/uploads/1?digest=",
        ),
        (
            "/v2/api/blobs/uploads/1?_state=x",
            "http://localhost:1/v2/api/blobs/uploads/1?_state=x&digest=",
        ),
        ("https://else.org/1", "https://else.org/1?digest="),
    ] {
        let url = registry("localhost:1/api").upload_url(location, &digest);
        assert_eq!(url, format!("{expected}{digest}"));
    }
}
