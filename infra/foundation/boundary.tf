################################################################################
# Permissions boundary: the most that any role of an environment can do
#
# Whoever deploys may create roles, but only with this boundary; whatever policy they put
# on such a role, it reaches no further than this. A task that needs another service needs
# a line here first, which somebody with rights on this folder reviews.
################################################################################

resource "aws_iam_policy" "boundary" {
  for_each = local.environments

  name        = "${each.value.prefix}-boundary"
  description = "The most that a role of ${each.value.prefix}'s tasks, schedules and triggers can do"
  policy      = data.aws_iam_policy_document.boundary[each.key].json
}

data "aws_iam_policy_document" "boundary" {
  for_each = local.environments

  statement {
    sid       = "RegistryLogin"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "PullImage"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [aws_ecr_repository.this.arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [each.value.log_groups_arn]
  }

  statement {
    sid       = "ReadSecrets"
    actions   = ["ssm:GetParameters", "secretsmanager:GetSecretValue"]
    resources = [each.value.parameters_arn, each.value.secrets_arn]
  }

  statement {
    sid       = "Buckets"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"]
    resources = [each.value.buckets_arn]
  }

  statement {
    sid       = "StartTasks"
    actions   = ["ecs:RunTask"]
    resources = [each.value.families_arn]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [each.value.cluster_arn]
    }
  }

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
    sid       = "DeadLetters"
    actions   = ["sqs:SendMessage"]
    resources = [each.value.dead_letters_arn]
  }
}
