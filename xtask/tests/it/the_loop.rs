//! The whole loop, as a user meets it.

use std::io::ErrorKind;
use std::process::Command;

use expect_test::expect;

use crate::harness::{Shared, filtered};

#[test]
fn a_task_runs_and_its_log_is_on_stdout() {
    let (shared, _alone) = Shared::alone();
    let ended = shared
        .checkout
        .xtask(["try", "my-new-task-name", "--sandbox"])
        .run()
        .expect_code(0);
    expect![[r#"
        [TIME] INFO  task started
        [TIME] INFO  Hello from your new background task!
        [TIME] INFO  task finished  outcome=success  duration_ms=[N]  exit_code=0
    "#]]
    .assert_eq(&filtered(&ended.stdout));
    ended.expect_stderr("✓ my-new-task-name exited 0");
}

#[test]
fn the_exit_code_is_the_tasks_own() {
    let (shared, _alone) = Shared::alone();
    let ended = shared
        .checkout
        .xtask(["try", "diagnose", "--sandbox", "--", "--exit-code", "3"])
        .run();
    ended.expect_code(3).expect_stderr("✗ diagnose exited 3");
}

#[test]
fn build_and_publish_prints_the_reference_alone() {
    let (shared, _alone) = Shared::alone();
    let ended = shared
        .checkout
        .xtask(["build-and-publish", "--sandbox"])
        .run()
        .expect_code(0);
    let sha = shared.checkout.git(["rev-parse", "HEAD"]);
    assert!(
        ended
            .stdout
            .contains(&format!("/api:{}@sha256:", sha.trim())),
        "{}",
        ended.stdout
    );
    expect![[r#"
        localhost:[PORT]/api:[SHA]@sha256:[DIGEST]
    "#]]
    .assert_eq(&filtered(&ended.stdout));
}

/// Promise 5: the image that runs is the one that was pushed. What was run before is deleted from
/// the local Docker each time, so that only the registry can have it.
#[test]
fn the_image_that_ran_is_the_one_pushed() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    let source = "api/src/tasks/my_new_task_name.rs";
    let before = checkout.read(source);
    let registry = shared.endpoint.replace("http://127.0.0.1", "localhost");
    for nonce in ["nonce-of-the-first-binary", "nonce-of-the-second-binary"] {
        checkout.write(
            source,
            &before.replace("Hello from your new background task!", nonce),
        );
        let ended = checkout
            .xtask(["build-and-publish", "--allow-dirty", "--sandbox"])
            .run()
            .expect_code(0);
        let pushed = ended.stdout.trim().rsplit('@').next().unwrap().to_owned();
        remove_local_images(&registry);
        let ended = checkout
            .xtask(["try", "my-new-task-name", "--sandbox"])
            .run()
            .expect_code(0);
        assert!(
            ended.stdout.contains(nonce),
            "{}{}",
            ended.stdout,
            ended.stderr
        );
        assert!(
            ended.stderr.contains("is in ECR as"),
            "the image was built again:\n{}",
            ended.stderr
        );
        assert!(
            ended.stderr.contains(&pushed[..19]),
            "{pushed} is not in\n{}",
            ended.stderr
        );
        remove_local_images(&registry);
    }
    checkout.write(source, &before);
}

fn remove_local_images(registry: &str) {
    let images = Command::new("docker")
        .args(["images", "--quiet", "--no-trunc", &format!("{registry}/*")])
        .output();
    let images = match images {
        Ok(images) => images,
        // The process engine has no images but those that it unpacks itself.
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => panic!("{error}"),
    };
    for image in String::from_utf8_lossy(&images.stdout).lines() {
        let removed = Command::new("docker")
            .args(["rmi", "--force", image])
            .output()
            .unwrap();
        // An image that another container of the sandbox still uses goes with it.
        drop(removed);
    }
}
