################################################################################
# Roles
#
# Every role here bears the permissions boundary and the path that infra/foundation gives
# to this environment; without them whoever deploys may not create it. What a task may do
# at most is in infra/foundation/boundary.tf.
################################################################################

locals {
  permissions_boundary = "arn:aws:iam::${var.aws_account_id}:policy/${local.prefix}-boundary"
}

data "aws_iam_policy_document" "ecs_tasks_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    # Keeps other accounts' tasks from borrowing the role.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.aws_account_id]
    }
  }
}

################################################################################
# The execution role: what ECS does for a task before its code runs
################################################################################

resource "aws_iam_role" "execution" {
  name                 = "${local.prefix}-execution"
  path                 = local.iam_path
  description          = "Pulls the image, reads the secrets and writes the logs of ${local.prefix}'s tasks"
  assume_role_policy   = data.aws_iam_policy_document.ecs_tasks_trust.json
  permissions_boundary = local.permissions_boundary
}

resource "aws_iam_role_policy" "execution" {
  name   = "start-tasks"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}

locals {
  # The role may read exactly the secrets that tasks.tf names. A name is an SSM parameter's;
  # the ARN of a secret may end in :json-key:version-stage:version-id, which IAM leaves out.
  secret_names = distinct([
    for entry in flatten(values(local.env_lists)[*][*].entries) : entry.valueFrom
    if try(entry.valueFrom, null) != null
  ])
  secret_arns = [
    for name in local.secret_names : startswith(name, "arn:")
    ? join(":", slice(split(":", name), 0, min(7, length(split(":", name)))))
    : "arn:aws:ssm:${var.region}:${var.aws_account_id}:parameter/${trimprefix(name, "/")}"
  ]
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "RegistryLogin"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "PullImage"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [var.repository_arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.tasks.arn}:*"]
  }

  dynamic "statement" {
    for_each = length(local.secret_arns) == 0 ? [] : [local.secret_arns]

    content {
      sid       = "ReadSecrets"
      actions   = ["ssm:GetParameters", "secretsmanager:GetSecretValue"]
      resources = statement.value
    }
  }
}

################################################################################
# Task roles: what a task's own code may do. A task that needs none names none
################################################################################

# example: begin
# Reads the claims that arrive and writes its results, in its own bucket only.
resource "aws_iam_role" "import_claims" {
  name                 = "${local.prefix}-import-claims"
  path                 = local.iam_path
  description          = "What the task import-claims may do"
  assume_role_policy   = data.aws_iam_policy_document.ecs_tasks_trust.json
  permissions_boundary = local.permissions_boundary
}

resource "aws_iam_role_policy" "import_claims" {
  name   = "claims-bucket"
  role   = aws_iam_role.import_claims.id
  policy = data.aws_iam_policy_document.import_claims.json
}

data "aws_iam_policy_document" "import_claims" {
  statement {
    sid       = "ReadClaims"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.claims.arn}/*"]
  }

  statement {
    sid       = "WriteResults"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.claims.arn}/results/*"]
  }

  # With it a missing object is "not found"; without it, "access denied".
  statement {
    sid       = "ListClaims"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.claims.arn]
  }
}

# Reads the results of import-claims, and nothing that came in.
resource "aws_iam_role" "nightly_report" {
  name                 = "${local.prefix}-nightly-report"
  path                 = local.iam_path
  description          = "What the task nightly-report may do"
  assume_role_policy   = data.aws_iam_policy_document.ecs_tasks_trust.json
  permissions_boundary = local.permissions_boundary
}

resource "aws_iam_role_policy" "nightly_report" {
  name   = "claims-results"
  role   = aws_iam_role.nightly_report.id
  policy = data.aws_iam_policy_document.nightly_report.json
}

data "aws_iam_policy_document" "nightly_report" {
  statement {
    sid       = "ReadResults"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.claims.arn}/results/*"]
  }

  statement {
    sid       = "ListResults"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.claims.arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["results/*"]
    }
  }
}
# example: end
