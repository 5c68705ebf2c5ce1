################################################################################
# For those who deploy: `terraform apply` of an environment's root, and nothing else
#
# To be attached together with the policy "run". It reaches only what bears the
# environment's name, and what it creates in IAM bears the permissions boundary.
#
# Not here on purpose: emptying a bucket. Taking an environment down is an administrator's.
################################################################################

resource "aws_iam_policy" "deploy" {
  for_each = local.environments

  name        = "${each.value.prefix}-deploy"
  description = "Apply infra/ecs-tasks/environments/${each.key}; attach it together with ${each.value.prefix}-run"
  policy      = data.aws_iam_policy_document.deploy[each.key].json
}

data "aws_iam_policy_document" "deploy" {
  #checkov:skip=CKV_AWS_356:Lookups that EC2, SSM and ECS offer no resource-level permission for.
  for_each = local.environments

  statement {
    sid       = "State"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${aws_s3_bucket.state.arn}/${each.value.state_key}"]
  }

  # CI alone writes it; see github.tf.
  statement {
    sid       = "ReadWhatCiBuilt"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.state.arn}/attested/*/${var.ecr_repository}/*"]
  }

  statement {
    sid       = "StateLock"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["${aws_s3_bucket.state.arn}/${each.value.state_key}.tflock"]
  }

  statement {
    sid = "Lookups"
    actions = [
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeRouteTables",
      "ec2:DescribeSecurityGroupRules",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcAttribute",
      "ec2:DescribeVpcs",
      "ssm:DescribeParameters",
      # ECS offers no resource-level permission for this one.
      "ecs:DeregisterTaskDefinition",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "Repository"
    actions   = ["ecr:DescribeRepositories", "ecr:ListTagsForResource"]
    resources = [aws_ecr_repository.this.arn]
  }

  statement {
    sid       = "TaskDefinitions"
    actions   = ["ecs:RegisterTaskDefinition", "ecs:ListTagsForResource", "ecs:TagResource", "ecs:UntagResource"]
    resources = [each.value.families_arn]
  }

  statement {
    sid = "LogGroups"
    actions = [
      "logs:CreateLogGroup",
      "logs:DeleteLogGroup",
      "logs:DeleteRetentionPolicy",
      "logs:ListTagsForResource",
      "logs:PutRetentionPolicy",
      "logs:TagResource",
      "logs:UntagResource",
    ]
    resources = [each.value.log_groups_arn]
  }

  statement {
    sid = "Rules"
    actions = [
      "events:DeleteRule",
      "events:DescribeRule",
      "events:DisableRule",
      "events:EnableRule",
      "events:ListTagsForResource",
      "events:ListTargetsByRule",
      "events:PutRule",
      "events:PutTargets",
      "events:RemoveTargets",
      "events:TagResource",
      "events:UntagResource",
    ]
    resources = [each.value.rules_arn]
  }

  statement {
    sid       = "Schedules"
    actions   = ["scheduler:CreateSchedule", "scheduler:DeleteSchedule", "scheduler:GetSchedule", "scheduler:UpdateSchedule"]
    resources = [each.value.schedules_arn]
  }

  statement {
    sid = "Parameters"
    actions = [
      "ssm:AddTagsToResource",
      "ssm:DeleteParameter",
      "ssm:GetParameter",
      "ssm:GetParameters",
      "ssm:ListTagsForResource",
      "ssm:PutParameter",
      "ssm:RemoveTagsFromResource",
    ]
    resources = [each.value.parameters_arn]
  }

  # The provider reads every aspect of a bucket, whether the configuration has it or not.
  statement {
    sid = "Buckets"
    actions = [
      "s3:CreateBucket",
      "s3:DeleteBucket",
      "s3:DeleteBucketPolicy",
      "s3:GetAccelerateConfiguration",
      "s3:GetBucket*",
      "s3:GetEncryptionConfiguration",
      "s3:GetLifecycleConfiguration",
      "s3:GetReplicationConfiguration",
      "s3:ListBucket",
      "s3:PutBucketNotification",
      "s3:PutBucketPolicy",
      "s3:PutBucketPublicAccessBlock",
      "s3:PutBucketTagging",
      "s3:PutBucketVersioning",
      "s3:PutEncryptionConfiguration",
      "s3:PutLifecycleConfiguration",
    ]
    resources = [each.value.buckets_arn]
  }

  statement {
    sid       = "CreateSecurityGroupInVpc"
    actions   = ["ec2:CreateSecurityGroup"]
    resources = ["arn:aws:ec2:${local.region_arn}:vpc/*"]
  }

  statement {
    sid       = "CreateSecurityGroup"
    actions   = ["ec2:CreateSecurityGroup"]
    resources = ["arn:aws:ec2:${local.region_arn}:security-group/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/App"
      values   = [var.app]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Environment"
      values   = [each.key]
    }
  }

  statement {
    sid     = "TagSecurityGroupOnCreation"
    actions = ["ec2:CreateTags"]
    resources = [
      "arn:aws:ec2:${local.region_arn}:security-group/*",
      "arn:aws:ec2:${local.region_arn}:security-group-rule/*",
    ]

    condition {
      test     = "StringEquals"
      variable = "ec2:CreateAction"
      values   = ["CreateSecurityGroup", "AuthorizeSecurityGroupEgress"]
    }
  }

  statement {
    sid = "ChangeOwnSecurityGroups"
    actions = [
      "ec2:AuthorizeSecurityGroupEgress",
      "ec2:DeleteSecurityGroup",
      "ec2:ModifySecurityGroupRules",
      "ec2:RevokeSecurityGroupEgress",
    ]
    resources = ["arn:aws:ec2:${local.region_arn}:security-group/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/App"
      values   = [var.app]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Environment"
      values   = [each.key]
    }
  }

  # The group that a rule belongs to is checked by the statement above.
  statement {
    sid       = "SecurityGroupRules"
    actions   = ["ec2:AuthorizeSecurityGroupEgress", "ec2:ModifySecurityGroupRules"]
    resources = ["arn:aws:ec2:${local.region_arn}:security-group-rule/*"]
  }

  # Every write that could widen a role requires that the role bears the boundary; the
  # right to take a boundary away is missing. Who may assume a role is said when it is created, and
  # IAM has no condition on what is said there: README.md has what an organization can do about it.
  # The right to change it afterwards is missing.
  statement {
    sid       = "WriteRolesUnderTheBoundary"
    actions   = ["iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"]
    resources = [each.value.roles_arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [each.value.boundary_arn]
    }
  }

  statement {
    sid = "MaintainRoles"
    actions = [
      "iam:DeleteRole",
      "iam:GetRole",
      "iam:GetRolePolicy",
      "iam:ListAttachedRolePolicies",
      "iam:ListInstanceProfilesForRole",
      "iam:ListRolePolicies",
      "iam:TagRole",
      "iam:UntagRole",
      "iam:UpdateRole",
      "iam:UpdateRoleDescription",
    ]
    resources = [each.value.roles_arn]
  }

  statement {
    sid       = "PassRolesToSchedulesAndTriggers"
    actions   = ["iam:PassRole"]
    resources = [each.value.roles_arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["events.amazonaws.com", "scheduler.amazonaws.com"]
    }
  }
}
