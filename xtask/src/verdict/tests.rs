use std::time::SystemTime;

use super::*;
use crate::clients::ecs::ContainerDefinition;
use crate::sandbox::engine::Engine;

fn definition(name: &str, essential: bool) -> ContainerDefinition {
    ContainerDefinition {
        name: name.into(),
        image: String::new(),
        essential,
        command: Vec::new(),
        memory: None,
        log: None,
    }
}

fn container(name: &str, exit_code: Option<i32>, reason: Option<&str>) -> Container {
    Container {
        name: name.into(),
        exit_code,
        reason: reason.map(str::to_owned),
        image_digest: None,
    }
}

/// A task with one container, `job`.
fn end(
    stop_code: &str,
    stopped_reason: &str,
    exit_code: Option<i32>,
    reason: Option<&str>,
) -> TaskEnd {
    TaskEnd {
        task: Task {
            arn: "arn:aws:ecs:us-east-1:1:task/api-test/abc".into(),
            last_status: "STOPPED".into(),
            stop_code: Some(stop_code.into()),
            stopped_reason: Some(stopped_reason.into()),
            memory: Some("512".into()),
            started_at: exit_code.map(|_| SystemTime::now()),
            containers: vec![container("job", exit_code, reason)],
            ..Task::default()
        },
        definition: TaskDefinition {
            active: true,
            arn: String::new(),
            family: String::new(),
            cpu: None,
            memory: Some("512".into()),
            containers: vec![definition("job", true)],
        },
        container: "job".into(),
        expected_digest: None,
        last_lines: Vec::new(),
        silent_containers: Vec::new(),
        cluster: "api-test".into(),
        cut: None,
    }
}

/// Texts of tasks that never started: (stoppedReason or container reason, words of the verdict, origin).
/// Sources: [doc] the ECS developer guide's pages on stopped tasks, [agent] the ECS agent's
/// agent/api/errormessages, [issue] public issues.
const NEVER_STARTED: &[(&str, &str, Origin)] = &[
    // [doc] task_cannot_pull_image
    (
        "CannotPullContainerError: The task can't pull the image. Check that the role has the permissions to pull images from the registry",
        "may not pull",
        Origin::Tool,
    ),
    (
        "CannotPullContainerError: pull image manifest has been retried 7 time(s): failed to resolve ref 1.dkr.ecr.us-east-1.amazonaws.com/api:abc: 1.dkr.ecr.us-east-1.amazonaws.com/api:abc: not found",
        "not in the registry",
        Origin::Tool,
    ),
    (
        "CannotPullContainerError: Error response from daemon: manifest unknown: Requested image not found",
        "not in the registry",
        Origin::Tool,
    ),
    (
        "CannotPullContainerError: inspect image has been retried 5 time(s): failed to resolve ref \"x\": failed to do request: Head \"https://x\": dial tcp 1.2.3.4:443: i/o timeout",
        "no route to ECR",
        Origin::Platform,
    ),
    (
        "CannotPullContainerError: Error response from daemon: Get https://x/v2/: net/http: request canceled while waiting for connection",
        "no route to ECR",
        Origin::Platform,
    ),
    (
        "CannotPullContainerError: context canceled",
        "no route to ECR",
        Origin::Platform,
    ),
    (
        "CannotPullContainerError: ref pull has been retried 1 time(s): failed to copy: httpReaderSeeker: failed open: unexpected status code https://x: 403 Forbidden",
        "keeps layers in S3",
        Origin::Platform,
    ),
    (
        "CannotPullContainerError: User: arn:aws:sts::1:assumed-role/x is not authorized to perform: ecr:BatchGetImage",
        "may not pull",
        Origin::Tool,
    ),
    (
        "CannotPullContainerError: pull access denied: 403 Forbidden",
        "may not pull",
        Origin::Tool,
    ),
    (
        "CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/amd64'",
        "another platform",
        Origin::Tool,
    ),
    (
        "CannotPullContainerError: number of layers and diffIDs don't match: 9 != 10",
        "mixes compressions",
        Origin::Tool,
    ),
    (
        "CannotPullContainerError: write /x: no space left on device",
        "does not fit",
        Origin::Task,
    ),
    (
        "CannotPullContainerError: toomanyrequests: You have reached your pull rate limit",
        "limits how often",
        Origin::Platform,
    ),
    (
        "CannotPullContainerError: invalid reference format",
        "malformed",
        Origin::Tool,
    ),
    (
        "CannotPullContainerError: something AWS has not written yet",
        "could not be pulled",
        Origin::Platform,
    ),
    // [doc] resource-initialization-error
    (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve ecr registry auth: service call has been retried 3 time(s)",
        "could not log in to ECR",
        Origin::Platform,
    ),
    (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secrets from ssm: AccessDeniedException: not authorized",
        "may not read a secret",
        Origin::Task,
    ),
    (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: ResourceNotFoundException: Secrets Manager can't find the specified secret",
        "secret of the task does not exist",
        Origin::Task,
    ),
    (
        "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secrets from ssm: RequestError: send request failed caused by: dial tcp: i/o timeout",
        "no route to where its secrets",
        Origin::Platform,
    ),
    (
        "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secrets from ssm: context deadline exceeded",
        "no route to where its secrets",
        Origin::Platform,
    ),
    (
        "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist",
        "log group does not exist",
        Origin::Tool,
    ),
    (
        "ResourceInitializationError: failed to validate logger args: signal: killed",
        "cannot reach its log group",
        Origin::Platform,
    ),
    (
        "ResourceInitializationError: The task cannot find the Amazon CloudWatch log group",
        "log group does not exist",
        Origin::Tool,
    ),
    // [doc] cannot-start-container
    (
        "CannotStartContainerError: Error response from daemon: OCI runtime create failed: exec: \"x\": executable file not found in $PATH",
        "no such program",
        Origin::Task,
    ),
    (
        "CannotStartContainerError: runc create failed: unable to start container process: exec /x: no such file or directory",
        "no such program",
        Origin::Task,
    ),
    // [agent]
    (
        "ContainerRuntimeTimeoutError: Could not transition to running; timed out after waiting 3m0s",
        "too slow",
        Origin::Platform,
    ),
    (
        "DockerTimeoutError: Could not transition to created",
        "too slow",
        Origin::Platform,
    ),
    (
        "CannotInspectContainerError: x",
        "lost the container",
        Origin::Platform,
    ),
    (
        "CannotStopContainerError: x",
        "could not stop",
        Origin::Platform,
    ),
    (
        "CannotCreateContainerError: x",
        "could not be made",
        Origin::Platform,
    ),
    ("CannotCreateVolumeError: x", "volume", Origin::Platform),
    (
        "Timeout waiting for network interface provisioning to complete.",
        "no network interface",
        Origin::Platform,
    ),
    // [doc] api_failures_messages and fargate-runtask-capacity
    (
        "Capacity is unavailable at this time. Please try again later or in a different availability zone",
        "no room",
        Origin::Platform,
    ),
    (
        "You've reached the limit on the number of vCPUs you can run concurrently",
        "vCPUs",
        Origin::Platform,
    ),
    (
        "ECS was unable to assume the role 'arn:aws:iam::1:role/x'",
        "may not take",
        Origin::Task,
    ),
    (
        "No Fargate configuration exists for given values.",
        "no such pair",
        Origin::Task,
    ),
    ("TaskDefinition is inactive", "deregistered", Origin::Tool),
    (
        "Unable to find task definition",
        "no such task definition",
        Origin::Tool,
    ),
    (
        "Your Spot Task was interrupted. Spot interruption",
        "took the capacity back",
        Origin::Platform,
    ),
    // No source: the words of a row that no text above meets first.
    (
        "You have reached your pull rate limit. You may increase the limit by authenticating",
        "limits how often",
        Origin::Platform,
    ),
    (
        "CannotPullContainerError: Error response from daemon: manifest unknown",
        "not in the registry",
        Origin::Tool,
    ),
    (
        "CannotPullContainerError: pull access denied for x, repository does not exist or may require 'docker login'",
        "repository is not there",
        Origin::Tool,
    ),
    (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secrets from ssm: User: arn:aws:sts::1:assumed-role/x is not authorized to perform: ssm:GetParameters",
        "may not read a secret",
        Origin::Task,
    ),
    (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secrets from ssm: ParameterNotFound: x",
        "secret of the task does not exist",
        Origin::Task,
    ),
    (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secrets from ssm: invalid ssm parameters: /x",
        "secret of the task does not exist",
        Origin::Task,
    ),
    (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secrets from ssm: operation error SSM: GetParameters, https response error StatusCode: 0, request send failed, Post https://x",
        "no route to where its secrets",
        Origin::Platform,
    ),
    (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: x",
        "could not be read",
        Origin::Task,
    ),
    (
        "ResourceInitializationError: create stream has been retried 1 times: x",
        "cannot reach its log group",
        Origin::Platform,
    ),
    (
        "runc create failed: unable to start container process: exec /x: no such file or directory",
        "no such program",
        Origin::Task,
    ),
    (
        "exec /x: exec format error",
        "another platform",
        Origin::Tool,
    ),
    (
        "failed to register layer: no space left on device",
        "storage is full",
        Origin::Task,
    ),
    (
        "Could not transition to stopped; timed out",
        "too slow",
        Origin::Platform,
    ),
    (
        "ResourceInitializationError: something AWS has not written yet",
        "could not prepare",
        Origin::Platform,
    ),
    (
        "CannotStartContainerError: something AWS has not written yet",
        "could not be started",
        Origin::Task,
    ),
];

#[test]
fn a_task_that_never_started_says_why_and_is_never_a_success() {
    for (text, words, origin) in NEVER_STARTED {
        // The text may be the task's or the container's.
        let in_task = end("TaskFailedToStart", text, None, None);
        let in_container = end(
            "TaskFailedToStart",
            "Task failed to start",
            None,
            Some(text),
        );
        for end in [in_task, in_container] {
            let verdict = verdict(&end);
            assert_eq!(verdict.exit_code, exit::NO_EXIT_CODE, "{text}");
            assert_eq!(verdict.happened, "job never started");
            assert!(
                verdict.why.as_ref().unwrap().contains(words),
                "{text}: {verdict:?}"
            );
            assert_eq!(verdict.origin, Some(*origin), "{text}");
            assert!(verdict.fix.is_some(), "{text}");
            assert!(verdict.raw.iter().any(|raw| raw.contains(text)), "{text}");
        }
    }
}

#[test]
fn every_row_of_the_table_is_the_first_for_some_text() {
    let texts: Vec<String> = NEVER_STARTED
        .iter()
        .map(|(text, ..)| text.to_lowercase())
        .collect();
    let first = |text: &String| {
        let fits = |row: &rows::Row| row.needles.iter().all(|needle| text.contains(needle));
        rows::ROWS.iter().position(fits)
    };
    let met: Vec<usize> = texts.iter().filter_map(first).collect();
    for (number, row) in rows::ROWS.iter().enumerate() {
        assert!(met.contains(&number), "{:?}", row.needles);
    }
}

#[test]
fn an_unknown_text_is_shown_as_it_is() {
    let verdict = verdict(&end(
        "TaskFailedToStart",
        "The moon is in the wrong phase",
        None,
        None,
    ));
    assert_eq!(
        verdict.why.as_deref(),
        Some("ECS says: TaskFailedToStart: The moon is in the wrong phase")
    );
    assert_eq!(verdict.exit_code, exit::NO_EXIT_CODE);
}

const EXITED: &str = "Essential container in task exited";

#[test]
fn exit_codes_are_the_tasks_own() {
    for (code, words) in [
        (1, None),
        (2, None),
        (3, None),
        (255, None),
        (101, Some("panicked")),
        (134, Some("SIGABRT")),
        (137, Some("SIGKILL")),
        (139, Some("SIGSEGV")),
        (143, Some("SIGTERM")),
    ] {
        let verdict = verdict(&end("EssentialContainerExited", EXITED, Some(code), None));
        assert_eq!(i32::from(verdict.exit_code), code);
        assert_eq!(verdict.origin, Some(Origin::Task));
        match words {
            Some(words) => assert!(verdict.why.unwrap().contains(words), "{code}"),
            None => assert_eq!(verdict.why, None, "{code}"),
        }
    }
}

/// ECS's codes are 0 to 255; whatever else it says, only 0 is 0.
#[test]
fn an_exit_code_that_fits_no_shell_is_no_success() {
    for code in [256, 512, 70_000, -1] {
        let verdict = verdict(&end("EssentialContainerExited", EXITED, Some(code), None));
        assert_eq!(verdict.exit_code, exit::NO_EXIT_CODE, "{code}");
        assert_eq!(verdict.happened, format!("job exited {code}"));
    }
}

#[test]
fn zero_is_a_success() {
    let verdict = verdict(&end("EssentialContainerExited", EXITED, Some(0), None));
    assert_eq!((verdict.exit_code, verdict.origin), (0, None));
    assert_eq!(verdict.render(None), "✓ job exited 0\n");
    assert_eq!(verdict.render(Some(Engine::Docker)), verdict.render(None));
    assert_eq!(
        verdict.render(Some(Engine::Process)),
        "✓ job exited 0\n  engine: process (without Docker)\n"
    );
}

#[test]
fn out_of_memory_says_how_much_there_was_and_where_to_raise_it() {
    for reason in [
        "OutOfMemoryError: Container killed due to memory usage",
        "OutOfMemoryError: container killed due to memory usage",
    ] {
        let verdict = verdict(&end(
            "EssentialContainerExited",
            EXITED,
            Some(137),
            Some(reason),
        ));
        assert_eq!(verdict.exit_code, 137);
        assert_eq!(
            verdict.render(None),
            format!(
                "✗ job exited 137 (SIGKILL)\n  why:    the container job ran out of memory: it had the task's 512 MiB\n  hint:   raise `memory` of the task `job` in tasks.tf, or try more at once: --memory MIB\n  ECS:    EssentialContainerExited: {EXITED}\n  ECS:    container job: exit code 137, {reason}\n"
            )
        );
    }
}

#[test]
fn another_image_than_the_pushed_one_is_no_success() {
    let digest = |digit: &str| Digest::parse(&format!("sha256:{}", digit.repeat(64))).unwrap();
    let mut end = end("EssentialContainerExited", EXITED, Some(0), None);
    end.expected_digest = Some(digest("a"));
    end.task.containers[0].image_digest = Some(digest("a"));
    assert_eq!(verdict(&end).exit_code, 0);
    end.task.containers[0].image_digest = Some(digest("b"));
    assert_eq!(verdict(&end).exit_code, exit::DIGEST_DIFFERS);
}

#[test]
fn containers_that_are_not_essential_do_not_decide() {
    let mut end = end("EssentialContainerExited", EXITED, Some(0), None);
    end.task
        .containers
        .insert(0, container("sidecar", Some(9), None));
    end.definition.containers.push(definition("sidecar", false));
    let verdict = verdict(&end);
    assert_eq!((verdict.exit_code, verdict.why), (0, None));
}

#[test]
fn of_two_containers_one_that_never_started_is_no_success() {
    // The original's script took `null` and `0` for a success.
    let mut end = end(
        "TaskFailedToStart",
        "CannotPullContainerError: x: not found",
        None,
        None,
    );
    end.task
        .containers
        .push(container("sidecar", Some(0), None));
    end.definition.containers.push(definition("sidecar", true));
    assert_eq!(verdict(&end).exit_code, exit::NO_EXIT_CODE);
}

#[test]
fn a_stop_says_who_asked() {
    let verdict = verdict(&end("UserInitiated", "stopped by jo", Some(143), None));
    assert_eq!(
        verdict.why.as_deref(),
        Some("it was stopped: stopped by jo")
    );
    let killed = super::verdict(&end("UserInitiated", "stopped by jo", Some(137), None));
    assert!(killed.fix.unwrap().contains("stopTimeout"));
}

#[test]
fn an_exec_format_error_in_the_log_is_a_wrong_platform() {
    let mut end = end("EssentialContainerExited", EXITED, Some(1), None);
    end.last_lines = vec!["exec /api: exec format error".into()];
    assert!(verdict(&end).why.unwrap().contains("another platform"));
}

#[test]
fn what_we_stopped_ourselves_has_a_code_of_its_own() {
    let timeout = Cut::TimedOut(Duration::from_secs(3));
    for (cut, stop_code, code, happened, why, expected) in [
        (
            timeout,
            "UserInitiated",
            Some(0),
            "job was stopped: it had not ended within --timeout 3.0 s",
            Some("it took the stop and exited 0"),
            124,
        ),
        (
            timeout,
            "UserInitiated",
            Some(137),
            "job was stopped: it had not ended within --timeout 3.0 s",
            Some("it did not end within stopTimeout of SIGTERM, so that it was killed"),
            124,
        ),
        (
            Cut::Interrupted,
            "UserInitiated",
            Some(143),
            "job was stopped: the command was interrupted",
            Some("it took the stop and exited 143 (SIGTERM)"),
            130,
        ),
        (
            Cut::Interrupted,
            "UserInitiated",
            None,
            "job was stopped: the command was interrupted",
            Some("it had not started"),
            130,
        ),
        // It ended by itself before StopTask reached it: the code is its own.
        (
            timeout,
            "EssentialContainerExited",
            Some(3),
            "job exited 3",
            None,
            3,
        ),
    ] {
        let mut end = end(stop_code, "why", code, None);
        end.cut = Some(cut);
        let verdict = verdict(&end);
        assert_eq!(verdict.happened, happened);
        assert_eq!(verdict.why.as_deref(), why);
        assert_eq!(verdict.exit_code, expected, "{happened}");
    }
}
