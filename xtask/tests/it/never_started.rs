//! What a task is made of and does not get: its image, its secret. And a task of two containers.

use expect_test::expect;
use serde_json::json;

use crate::failures::verdict;
use crate::harness::{Shared, aws};

const ECS: &str = "AmazonEC2ContainerServiceV20141113";
const ECR: &str = "AmazonEC2ContainerRegistry_V20150921";

fn run(shared: &Shared, author: &str) -> crate::harness::Ended {
    let args = ["run", "diagnose", "--sandbox", "--author", author];
    shared.checkout.xtask(args).run()
}

#[test]
fn a_missing_image_is_named() {
    let (shared, _alone) = Shared::alone();
    let endpoint = &shared.endpoint;
    let input = json!({ "taskDefinition": "api-test-diagnose" });
    let definition = aws(endpoint, &format!("{ECS}.DescribeTaskDefinition"), &input);
    let container = &definition["taskDefinition"]["containerDefinitions"][0];
    let image = container["image"].as_str().unwrap();
    let tag = image.rsplit(':').next().unwrap();
    let images = json!({ "repositoryName": "api", "imageIds": [{ "imageTag": tag }] });
    let kept = aws(endpoint, &format!("{ECR}.BatchGetImage"), &images);
    aws(endpoint, &format!("{ECR}.BatchDeleteImage"), &images);
    let ended = run(shared, "no-image");
    let back = json!({
        "repositoryName": "api",
        "imageTag": tag,
        "imageManifest": kept["images"][0]["imageManifest"],
        "imageManifestMediaType": kept["images"][0]["imageManifestMediaType"],
    });
    aws(endpoint, &format!("{ECR}.PutImage"), &back);
    let ended = ended.expect_code(121);
    expect![[r#"
        ✗ diagnose never started
          why:    the image is not in the registry
          hint:   publish it: cargo xtask build-and-publish
          ECS:    TaskFailedToStart: CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref localhost:[PORT]/api:[SHA]: localhost:[PORT]/api:[SHA]: not found
          ECS:    container diagnose: no exit code, CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref localhost:[PORT]/api:[SHA]: localhost:[PORT]/api:[SHA]: not found
    "#]].assert_eq(&verdict(&ended));
    run(shared, "image-again").expect_code(0);
}

#[test]
fn a_missing_secret_is_named() {
    let (shared, _alone) = Shared::alone();
    let endpoint = &shared.endpoint;
    let name = json!({ "Name": "/api/test/diagnose-secret" });
    let kept = aws(endpoint, "AmazonSSM.GetParameter", &name);
    let tags = json!({ "ResourceType": "Parameter", "ResourceId": "/api/test/diagnose-secret" });
    let tags = aws(endpoint, "AmazonSSM.ListTagsForResource", &tags);
    aws(endpoint, "AmazonSSM.DeleteParameter", &name);
    let ended = run(shared, "no-secret");
    let back = json!({
        "Name": "/api/test/diagnose-secret",
        "Description": "Example of a secret; the task diagnose says whether it arrived",
        "Type": kept["Parameter"]["Type"],
        "Value": kept["Parameter"]["Value"],
        "Tags": tags["TagList"],
    });
    aws(endpoint, "AmazonSSM.PutParameter", &back);
    let ended = ended.expect_code(121);
    expect![[r#"
        ✗ diagnose never started
          why:    a secret of the task could not be read
          hint:   does it exist in this environment, and may the execution role read it?
          ECS:    TaskFailedToStart: ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret /api/test/diagnose-secret for environment variable DIAGNOSE_SECRET
    "#]].assert_eq(&verdict(&ended));
    run(shared, "secret-again").expect_code(0);
}

/// A container that is not essential decides nothing, also when it fails, and its lines are told
/// from the others'.
#[test]
fn of_two_containers_the_tasks_own_decides() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    let file = "infra/ecs-tasks/template/tasks.tf";
    let before = checkout.read(file);
    let sidecar = r#"memory  = 512
      sidecars = [{
        name    = "helper"
        image   = "${var.repository_url}:${var.service_docker_tag}"
        command = ["diagnose", "--print", "the helper's line", "--exit-code", "7"]
      }]
"#;
    let text = before.replace("memory  = 512\n", sidecar);
    assert_ne!(text, before);
    checkout.write(file, &text);
    let line = "the task's own line";
    let args = ["try", "diagnose", "--sandbox", "--"];
    let args = args
        .into_iter()
        .chain(["--print", line, "--sleep", "2", "--exit-code", "3"]);
    let ended = checkout.xtask(args).run();
    checkout.write(file, &before);
    checkout
        .xtask(["try", "diagnose", "--sandbox"])
        .run()
        .expect_code(0);
    let ended = ended
        .expect_code(3)
        .expect_stdout("helper | the helper's line\n")
        .expect_stdout("diagnose | the task's own line\n");
    expect![[r#"
        ✗ diagnose exited 3
          ECS:    EssentialContainerExited: Essential container in task exited
          ECS:    container diagnose: exit code 3
          ECS:    container helper: exit code 7
    "#]]
    .assert_eq(&verdict(&ended));
}
