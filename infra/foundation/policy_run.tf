################################################################################
# For those who run tasks and try their work in isolation
#
# They push images, start and stop tasks, read their logs, and register task definitions
# under families of their own, <app>-<environment>-isolated-*. They fire schedules and
# triggers (`cargo xtask trigger`) and read the tasks' secrets (`cargo xtask local --secrets`).
# They cannot change what the environment has deployed: no other family, no state, no
# infrastructure.
#
# ECS has no resource-level permission for DeregisterTaskDefinition, so it is not here: it
# would let them take away everybody's. An isolated revision costs nothing; it stays until
# somebody who deploys tries in isolation, and `cargo xtask try --isolated` says so.
################################################################################

resource "aws_iam_policy" "run" {
  for_each = local.environments

  name        = "${each.value.prefix}-run"
  description = "Run tasks in ${each.value.prefix} and try uncommitted work in isolation"
  policy      = data.aws_iam_policy_document.run[each.key].json
}

data "aws_iam_policy_document" "run" {
  for_each = local.environments

  statement {
    sid = "Lookups"
    actions = [
      "ecr:GetAuthorizationToken",
      "ecs:DescribeTaskDefinition",
      "ecs:ListTaskDefinitions",
      "ecs:ListTaskDefinitionFamilies",
      "events:ListRules",
      "events:TestEventPattern",
      "logs:DescribeLogGroups",
      "scheduler:ListSchedules",
    ]
    # None of these can be limited to a resource.
    resources = ["*"]
  }

  statement {
    sid = "PushAndPullImage"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:CompleteLayerUpload",
      "ecr:DescribeImages",
      "ecr:DescribeImageScanFindings",
      "ecr:DescribeRepositories",
      "ecr:GetDownloadUrlForLayer",
      "ecr:InitiateLayerUpload",
      "ecr:PutImage",
      "ecr:UploadLayerPart",
    ]
    resources = [aws_ecr_repository.this.arn]
  }

  statement {
    sid       = "RegisterIsolated"
    actions   = ["ecs:RegisterTaskDefinition"]
    resources = [each.value.isolated_families_arn]
  }

  statement {
    sid       = "TagWhatTheyCreate"
    actions   = ["ecs:TagResource"]
    resources = [each.value.isolated_families_arn, each.value.task_arn]

    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RegisterTaskDefinition", "RunTask"]
    }
  }

  statement {
    sid       = "RunTasks"
    actions   = ["ecs:RunTask"]
    resources = [each.value.families_arn]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [each.value.cluster_arn]
    }
  }

  statement {
    sid       = "FollowAndStopTasks"
    actions   = ["ecs:DescribeTasks", "ecs:StopTask"]
    resources = [each.value.task_arn]
  }

  statement {
    sid       = "ListTasks"
    actions   = ["ecs:ListTasks"]
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [each.value.cluster_arn]
    }
  }

  statement {
    sid       = "LookAtCluster"
    actions   = ["ecs:DescribeClusters"]
    resources = [each.value.cluster_arn]
  }

  # A task started by hand has the roles that the same task has when a schedule starts it.
  statement {
    sid       = "PassTaskRoles"
    actions   = ["iam:PassRole"]
    resources = [each.value.roles_arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  statement {
    sid       = "ReadLogs"
    actions   = ["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"]
    resources = [each.value.log_groups_arn]
  }

  # A task's secrets reach whatever image and command its definition is run with, so that
  # whoever runs tasks can read them anyway; here it is said.
  statement {
    sid       = "ReadSecrets"
    actions   = ["ssm:GetParameter", "ssm:GetParameters"]
    resources = [each.value.parameters_arn]
  }

  statement {
    sid       = "ReadSecretsManager"
    actions   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
    resources = [each.value.secrets_arn]
  }

  # To fire a schedule: a twin of it, with its role, in the environment's own name.
  statement {
    sid       = "LookAtSchedules"
    actions   = ["scheduler:GetSchedule"]
    resources = [each.value.schedules_arn, each.value.twins_arn]
  }

  statement {
    sid       = "TwinsOfSchedules"
    actions   = ["scheduler:CreateSchedule", "scheduler:DeleteSchedule"]
    resources = [each.value.twins_arn]
  }

  statement {
    sid       = "PassScheduleRoles"
    actions   = ["iam:PassRole"]
    resources = [each.value.roles_arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["scheduler.amazonaws.com"]
    }
  }

  # To fire an S3 trigger: its rule is read, an object is put and taken away again.
  statement {
    sid       = "LookAtRules"
    actions   = ["events:ListTargetsByRule"]
    resources = [each.value.rules_arn]
  }

  statement {
    sid       = "LookAtBuckets"
    actions   = ["s3:GetBucketNotification"]
    resources = [each.value.buckets_arn]
  }

  statement {
    sid       = "PutAndHideObjects"
    actions   = ["s3:PutObject", "s3:DeleteObject"]
    resources = ["${each.value.buckets_arn}/*"]
  }

  # A version that is deleted is gone for good: only those that `trigger s3` has put itself, whose keys
  # say so.
  statement {
    sid       = "TakeAwayOwnVersions"
    actions   = ["s3:DeleteObjectVersion"]
    resources = ["${each.value.buckets_arn}/*xtask-*"]
  }

  # Why nothing started.
  statement {
    sid       = "ReadDeadLetters"
    actions   = ["sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:DeleteMessage"]
    resources = [each.value.dead_letters_arn]
  }

  # The outputs of the environment's root say where and how its tasks run.
  statement {
    sid       = "ReadState"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.state.arn}/${each.value.state_key}"]
  }

  # Who holds the environment is an object beside the state.
  statement {
    sid       = "Holds"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["${aws_s3_bucket.state.arn}/holds/${each.key}.json"]
  }

  statement {
    sid       = "FindState"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.state.arn]
  }
}
