//! `docker_context`: a Dockerfile that does everything by itself. What is in its image is what the
//! context holds, less what `.dockerignore` leaves out.

#[path = "../it/layouts/edits.rs"]
#[allow(dead_code, reason = "tests/it needs more of it")]
mod edits;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Checkout, FakeBin, Shared, target_dir, which};
use edits::{
    TASK, Tag, image, in_three_ways, isolated, layout, lines_of, nonce, published, replace, says,
    task_that_logs,
};

const DOCKERFILE: &str = "\
FROM scratch
COPY prebuilt/api /api
COPY . /context/
ENTRYPOINT [\"/api\"]
";

const DOCKERIGNORE: &str = "\
# All but what the image needs.
*
!prebuilt
!config
config/*.draft
!config/kept.draft
**/*.tmp
";

/// Says what the banner is, and which files are beside it.
const SAID: &str = r#"{
        let folder = std::fs::read_dir("/context/config").into_iter();
        let names = folder.flatten().flatten().map(|entry| entry.file_name());
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        let banner = std::fs::read_to_string("/context/config/banner.txt").unwrap_or_default();
        format!("{banner} among {}", names.join(" "))
    }"#;

/// What Docker keeps of a repository goes with this value, also when a test fails.
struct Images(String);

impl Drop for Images {
    fn drop(&mut self) {
        let script = r#"docker images --quiet "$1" | xargs -r docker rmi --force"#;
        let removed = Command::new("sh")
            .args(["-c", script, "sh", &self.0])
            .output();
        removed.unwrap();
    }
}

/// The binary is prebuilt and committed, so that no build of the image compiles anything.
fn with_a_context(shared: &Shared) -> (Checkout, Images) {
    let checkout = layout();
    let prebuilt = checkout.root.join("prebuilt");
    std::fs::create_dir_all(&prebuilt).unwrap();
    // The tests share a target folder: what another one compiles just now may come in between.
    let images = (0..5).find_map(|attempt| {
        let text = format!("{}// attempt {attempt}\n", task_that_logs(SAID));
        checkout.write(&format!("api/{TASK}"), &text);
        let ended = published(shared, &checkout, &["--allow-dirty"]).expect_code(0);
        let binary = std::fs::read(compiled()).unwrap();
        let wanted = b"/context/config/banner.txt";
        let is_ours = binary.windows(wanted.len()).any(|part| part == wanted);
        std::fs::write(prebuilt.join("api"), binary).unwrap();
        // `localhost:PORT/api:TAG@DIGEST`
        let (tagged, _) = ended.stdout.split_once('@').unwrap();
        let repository = tagged.rsplit_once(':').unwrap().0;
        is_ours.then(|| Images(repository.to_owned()))
    });
    let images = images.unwrap();
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(prebuilt.join("api"), executable).unwrap();

    checkout.write("docker/Dockerfile", DOCKERFILE);
    checkout.write(".dockerignore", DOCKERIGNORE);
    let ignored = checkout.read(".gitignore") + "*.log\n";
    checkout.write(".gitignore", &ignored);
    for file in [
        "banner.txt",
        "out.draft",
        "kept.draft",
        "deep/down/out.tmp",
        "deep/down/kept.txt",
    ] {
        checkout.write(&format!("config/{file}"), "first");
    }
    let settings = "Cargo.toml";
    replace(&checkout, settings, "\"daemonless\"\n", "\"docker\"\n");
    replace(
        &checkout,
        settings,
        "dockerfile = \"api/Dockerfile\"\n",
        "dockerfile = \"docker/Dockerfile\"\ndocker_context = \".\"\n",
    );
    checkout.commit("a context");
    (checkout, images)
}

/// The newest binary of the image that cargo has made.
fn compiled() -> PathBuf {
    let targets = std::fs::read_dir(target_dir()).unwrap().flatten();
    let binaries = targets.map(|target| target.path().join("image/api"));
    let newest = binaries
        .filter(|binary| binary.is_file())
        .max_by_key(|binary| std::fs::metadata(binary).unwrap().modified().unwrap());
    newest.unwrap()
}

/// Another text in a file of the context that is in the image.
fn edit(checkout: &Checkout, text: &str) {
    checkout.write("config/banner.txt", text);
}

pub fn what_is_in_the_context_is_in_the_image() {
    let (shared, _alone) = Shared::alone();
    let (checkout, _images) = with_a_context(shared);
    in_three_ways(shared, &checkout, || edits::clone_of(&checkout), edit);

    let digest = |checkout: &Checkout| image(published(shared, checkout, &["--allow-dirty"]));
    let (_, before) = digest(&checkout);
    let mut seen = vec![before];
    for file in [
        "config/kept.draft",
        "config/deep/down/kept.txt",
        "prebuilt/note.txt",
        "docker/Dockerfile",
    ] {
        let text = match file {
            "docker/Dockerfile" => format!("{DOCKERFILE}LABEL nonce={}\n", nonce()),
            _ => nonce(),
        };
        checkout.write(file, &text);
        published(shared, &checkout, &[])
            .expect_code(126)
            .expect_stderr(file);
        let (tag, digest) = digest(&checkout);
        assert!(tag.contains("-dirty-"), "{file}: {tag}");
        assert!(!seen.contains(&digest), "{file}: {digest}");
        seen.push(digest);
        checkout.git(["add", "--all"]);
        checkout.git(["stash", "--quiet"]);
        checkout.git(["stash", "drop", "--quiet"]);
    }
    // Git was told to overlook it, and Docker was not.
    for hide in ["--skip-worktree", "--assume-unchanged"] {
        let file = "config/banner.txt";
        checkout.git(["update-index", hide, file]);
        let text = nonce();
        edit(&checkout, &text);
        says(isolated(shared, &checkout), &text, Tag::Dirty);
        published(shared, &checkout, &[])
            .expect_code(126)
            .expect_stderr(file);
        let show = hide.replacen("--", "--no-", 1);
        checkout.git(["update-index", &show, file]);
        checkout.git(["checkout", "--quiet", "--", file]);
    }
}

pub fn what_the_context_leaves_out_is_no_edit() {
    let (shared, _alone) = Shared::alone();
    let (checkout, _images) = with_a_context(shared);
    let text = nonce();
    edit(&checkout, &text);
    let sha = checkout.commit("another text");
    // Nothing is compiled beforehand.
    let cargo = which("cargo");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = build ] && exit 1\nexec '{}' \"$@\"\n",
        cargo.display()
    );
    let bin = FakeBin::named("cargo-that-builds-nothing").script("cargo", &script);
    let (tag, digest) = image(
        shared
            .really_from(&checkout, &["build-and-publish"])
            .env("CARGO", bin.path("cargo"))
            .env("PATH", bin.first())
            .run(),
    );
    assert_eq!(tag, sha);
    for file in [
        "config/out.draft",
        "config/new.draft",
        "config/deep/down/out.tmp",
        "config/new.tmp",
        "api/src/main.rs",
        "docs/new.md",
    ] {
        checkout.write(file, &nonce());
        let ended = published(shared, &checkout, &[]);
        assert!(
            ended.stderr.contains("– build"),
            "{file}:\n{}",
            ended.stderr
        );
        assert_eq!(image(ended), (sha.clone(), digest.clone()), "{file}");
        checkout.git(["checkout", "--quiet", "--", "."]);
        checkout.git(["clean", "--quiet", "--force", "-d", "config", "docs"]);
    }

    // What git ignores is in no commit, and so in no image of one, which is made anew here.
    checkout.write("config/left.log", "a leftover");
    let text = nonce();
    edit(&checkout, &text);
    let sha = checkout.commit("beside a leftover");
    let ended = isolated(shared, &checkout);
    let said = lines_of(&ended.stdout, &text);
    says(ended, &text, Tag::Of(&sha));
    assert!(said.contains("kept.draft"), "{said}");
    assert!(
        !["left.log", "out.draft"]
            .iter()
            .any(|name| said.contains(name)),
        "{said}"
    );
    assert_eq!(image(published(shared, &checkout, &[])).0, sha);

    // What git does not know yet is.
    checkout.write("config/new.txt", &nonce());
    let ended = isolated(shared, &checkout);
    let said = lines_of(&ended.stdout, &text);
    says(ended, &text, Tag::Dirty);
    assert!(said.contains("new.txt"), "{said}");
    published(shared, &checkout, &[])
        .expect_code(126)
        .expect_stderr("config/new.txt");
}
