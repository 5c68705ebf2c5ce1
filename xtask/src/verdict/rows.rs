//! The table: what AWS writes → why it happened and what to do. AWS rewords its texts, so that rows
//! match on substrings without case; the first match wins; several needles must all be there.

use crate::outcome::Origin;

pub struct Row {
    pub needles: &'static [&'static str],
    pub why: &'static str,
    pub fix: &'static str,
    pub origin: Origin,
}

const fn row(
    needles: &'static [&'static str],
    why: &'static str,
    fix: &'static str,
    origin: Origin,
) -> Row {
    Row {
        needles,
        why,
        fix,
        origin,
    }
}

/// Sources: ECS developer guide (stopped-task-errors, task_cannot_pull_image,
/// resource-initialization-error, cannot-start-container, out-of-memory), the ECS agent's
/// agent/api/errormessages, and texts seen in public issues.
pub const ROWS: &[Row] = &[
    row(
        &[
            "cannotpullcontainererror",
            "does not contain descriptor matching platform",
        ],
        "the image was built for another platform than the task runs on",
        "set `platform` in Cargo.toml; image and runtime_platform follow it",
        Origin::Tool,
    ),
    row(
        &["cannotpullcontainererror", "httpreaderseeker: failed open"],
        "ECR keeps layers in S3, and the task may not fetch them there",
        "add an S3 gateway endpoint to the subnets' route tables, or mend its policy",
        Origin::Platform,
    ),
    row(
        &["cannotpullcontainererror", "not authorized to perform"],
        "the execution role may not pull from this repository",
        "give the execution role AmazonECSTaskExecutionRolePolicy, and look at the repository's policy",
        Origin::Tool,
    ),
    row(
        &["cannotpullcontainererror", "403 forbidden"],
        "the execution role may not pull from this repository",
        "give the execution role AmazonECSTaskExecutionRolePolicy, and look at the repository's policy",
        Origin::Tool,
    ),
    row(
        &["check that the role has the permissions to pull images from the registry"],
        "the execution role may not pull from this repository",
        "give the execution role AmazonECSTaskExecutionRolePolicy, and look at the repository's policy",
        Origin::Tool,
    ),
    row(
        &["toomanyrequests"],
        "the registry limits how often images may be pulled",
        "mirror the image in ECR",
        Origin::Platform,
    ),
    row(
        &["pull rate limit"],
        "the registry limits how often images may be pulled",
        "mirror the image in ECR",
        Origin::Platform,
    ),
    row(
        &["number of layers and diffids don't match"],
        "the image mixes compressions of layers",
        "build it with one compression",
        Origin::Tool,
    ),
    row(
        &["invalid reference format"],
        "the image's address is malformed",
        "look at `image` in the task definition: is the tag empty?",
        Origin::Tool,
    ),
    row(
        &["cannotpullcontainererror", "no space left on device"],
        "the image does not fit into the task's storage",
        "set ephemeral_storage (up to 200 GiB) in the task definition",
        Origin::Task,
    ),
    row(
        &["cannotpullcontainererror", "i/o timeout"],
        "the task has no route to ECR",
        "NAT, assign_public_ip, or the endpoints ecr.api, ecr.dkr, S3 (gateway) and logs, with port 443 open",
        Origin::Platform,
    ),
    row(
        &[
            "cannotpullcontainererror",
            "request canceled while waiting for connection",
        ],
        "the task has no route to ECR",
        "NAT, assign_public_ip, or the endpoints ecr.api, ecr.dkr, S3 (gateway) and logs, with port 443 open",
        Origin::Platform,
    ),
    row(
        &["cannotpullcontainererror", "context canceled"],
        "the task has no route to ECR",
        "NAT, assign_public_ip, or the endpoints ecr.api, ecr.dkr, S3 (gateway) and logs, with port 443 open",
        Origin::Platform,
    ),
    row(
        &["cannotpullcontainererror", "not found"],
        "the image is not in the registry",
        "publish it: cargo xtask build-and-publish",
        Origin::Tool,
    ),
    row(
        &["cannotpullcontainererror", "manifest unknown"],
        "the image is not in the registry",
        "publish it: cargo xtask build-and-publish",
        Origin::Tool,
    ),
    row(
        &["cannotpullcontainererror", "repository does not exist"],
        "the repository is not there",
        "apply infra/foundation, and look at `image` in the task definition",
        Origin::Tool,
    ),
    row(
        &["cannotpullcontainererror"],
        "the image could not be pulled",
        "look at the text below; the subnets need a route to ECR, the execution role the right to pull",
        Origin::Platform,
    ),
    row(
        &["secret", "accessdenied"],
        "the execution role may not read a secret of the task",
        "allow ssm:GetParameters or secretsmanager:GetSecretValue (and kms:Decrypt) to the execution role",
        Origin::Task,
    ),
    row(
        &["secret", "not authorized to perform"],
        "the execution role may not read a secret of the task",
        "allow ssm:GetParameters or secretsmanager:GetSecretValue (and kms:Decrypt) to the execution role",
        Origin::Task,
    ),
    row(
        &["secret", "resourcenotfoundexception"],
        "a secret of the task does not exist",
        "mend its name or region in the task's env, or create it",
        Origin::Task,
    ),
    row(
        &["secret", "parameternotfound"],
        "a secret of the task does not exist",
        "mend its name or region in the task's env, or create it",
        Origin::Task,
    ),
    row(
        &["unable to pull secrets", "invalid ssm parameters"],
        "a secret of the task does not exist",
        "mend its name or region in the task's env, or create it",
        Origin::Task,
    ),
    row(
        &["secret", "request send failed"],
        "the task has no route to where its secrets are",
        "NAT, or the endpoints ssm, secretsmanager and kms",
        Origin::Platform,
    ),
    row(
        &["secret", "requesterror: send request failed"],
        "the task has no route to where its secrets are",
        "NAT, or the endpoints ssm, secretsmanager and kms",
        Origin::Platform,
    ),
    row(
        &["secret", "context deadline"],
        "the task has no route to where its secrets are",
        "NAT, or the endpoints ssm, secretsmanager and kms",
        Origin::Platform,
    ),
    row(
        &["unable to retrieve secret"],
        "a secret of the task could not be read",
        "does it exist in this environment, and may the execution role read it?",
        Origin::Task,
    ),
    row(
        &["unable to retrieve ecr registry auth"],
        "the task could not log in to ECR",
        "a route to ECR (NAT or endpoints), and AmazonECSTaskExecutionRolePolicy for the execution role",
        Origin::Platform,
    ),
    row(
        &["specified log group does not exist"],
        "the log group does not exist",
        "deploy first: Terraform makes it",
        Origin::Tool,
    ),
    row(
        &["cannot find the amazon cloudwatch log group"],
        "the log group does not exist",
        "deploy first: Terraform makes it",
        Origin::Tool,
    ),
    row(
        &["failed to validate logger args"],
        "the task cannot reach its log group",
        "create the group, and give the subnets a route to CloudWatch Logs (NAT or the endpoint logs)",
        Origin::Platform,
    ),
    row(
        &["create stream has been retried"],
        "the task cannot reach its log group",
        "create the group, and give the subnets a route to CloudWatch Logs (NAT or the endpoint logs)",
        Origin::Platform,
    ),
    row(
        &["executable file not found"],
        "the image has no such program",
        "look at the task's command in tasks.tf, and at the Dockerfile's ENTRYPOINT",
        Origin::Task,
    ),
    row(
        &["cannotstartcontainererror", "no such file or directory"],
        "the image has no such program",
        "look at the task's command in tasks.tf, and at the Dockerfile's ENTRYPOINT",
        Origin::Task,
    ),
    row(
        &["runc create failed", "no such file or directory"],
        "the image has no such program",
        "look at the task's command in tasks.tf, and at the Dockerfile's ENTRYPOINT",
        Origin::Task,
    ),
    row(
        &["exec format error"],
        "the image was built for another platform than the task runs on",
        "set `platform` in Cargo.toml; image and runtime_platform follow it",
        Origin::Tool,
    ),
    row(
        &["capacity is unavailable at this time"],
        "Fargate has no room in these zones now",
        "try again, or add subnets in other zones",
        Origin::Platform,
    ),
    row(
        &["limit on the number of vcpus"],
        "the account's limit of Fargate vCPUs is reached",
        "raise it in Service Quotas, or stop other tasks",
        Origin::Platform,
    ),
    row(
        &["timeout waiting for network interface provisioning"],
        "the task got no network interface",
        "free addresses in the subnets, and try again",
        Origin::Platform,
    ),
    row(
        &["unable to assume the role"],
        "ECS may not take the task's or the execution role",
        "the role must trust ecs-tasks.amazonaws.com; a new role needs a minute: try again",
        Origin::Task,
    ),
    row(
        &["no fargate configuration exists for given values"],
        "Fargate has no such pair of cpu and memory",
        "use a valid pair: 256/512…2048, 512/1024…4096, 1024/2048…8192, …",
        Origin::Task,
    ),
    row(
        &["taskdefinition is inactive"],
        "the task definition was deregistered",
        "deploy again",
        Origin::Tool,
    ),
    row(
        &["unable to find task definition"],
        "there is no such task definition",
        "deploy first: cargo xtask deploy-test",
        Origin::Tool,
    ),
    row(
        &["no space left on device"],
        "the task's storage is full",
        "set ephemeral_storage (up to 200 GiB) in the task definition",
        Origin::Task,
    ),
    row(
        &["cannotcreatevolumeerror"],
        "a volume could not be made",
        "for EFS: a mount target in the subnet's zone, port 2049 open, DNS on",
        Origin::Platform,
    ),
    row(
        &["containerruntimetimeouterror"],
        "the container runtime was too slow",
        "try again",
        Origin::Platform,
    ),
    row(
        &["dockertimeouterror"],
        "the container runtime was too slow",
        "try again",
        Origin::Platform,
    ),
    row(
        &["could not transition to"],
        "the container runtime was too slow",
        "try again",
        Origin::Platform,
    ),
    row(
        &["cannotinspectcontainererror"],
        "the platform lost the container",
        "try again",
        Origin::Platform,
    ),
    row(
        &["cannotstopcontainererror"],
        "the platform could not stop the container",
        "try again",
        Origin::Platform,
    ),
    row(
        &["cannotcreatecontainererror"],
        "the container could not be made",
        "try again; if it repeats, look at volumes and ports in the definition",
        Origin::Platform,
    ),
    row(
        &["spot interruption"],
        "Fargate Spot took the capacity back",
        "try again",
        Origin::Platform,
    ),
    row(
        &["resourceinitializationerror"],
        "ECS could not prepare the task",
        "look at the text below: network, secrets or the execution role",
        Origin::Platform,
    ),
    row(
        &["cannotstartcontainererror"],
        "the container could not be started",
        "look at the text below: command, user or ports in the definition",
        Origin::Task,
    ),
];
