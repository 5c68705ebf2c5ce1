################################################################################
# The role that GitHub Actions deploys an environment with, without stored keys
################################################################################

locals {
  github_issuer       = "token.actions.githubusercontent.com"
  github_environments = var.github_oidc == "off" ? {} : local.environments
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.github_oidc == "create" ? 1 : 0

  url            = "https://${local.github_issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

# The role's name and path keep it out of reach of the policy that it is given itself.
resource "aws_iam_role" "github_deploy" {
  for_each = local.github_environments

  name               = "${each.value.prefix}-github-deploy"
  description        = "Workflows of ${var.github_repository} that run in the GitHub environment ${each.key}"
  assume_role_policy = data.aws_iam_policy_document.github_trust[each.key].json

  depends_on = [aws_iam_openid_connect_provider.github]
}

# The subject names the GitHub environment, not the branch: which branches may use it, and
# who has to approve, is the environment's protection rule on GitHub.
data "aws_iam_policy_document" "github_trust" {
  for_each = local.github_environments

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = ["arn:aws:iam::${var.aws_account_id}:oidc-provider/${local.github_issuer}"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.github_issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.github_issuer}:sub"
      values   = ["repo:${var.github_repository}:environment:${each.key}"]
    }
  }
}

resource "aws_iam_role_policy_attachment" "github_run" {
  for_each = local.github_environments

  role       = aws_iam_role.github_deploy[each.key].name
  policy_arn = aws_iam_policy.run[each.key].arn
}

# CI's word that it built an image itself, which protected environments ask for: nobody else may
# write it, and the CI of one environment not for another.
resource "aws_iam_role_policy" "github_attest" {
  for_each = local.github_environments

  name   = "attest"
  role   = aws_iam_role.github_deploy[each.key].name
  policy = data.aws_iam_policy_document.github_attest[each.key].json
}

data "aws_iam_policy_document" "github_attest" {
  for_each = local.github_environments

  statement {
    sid       = "Attest"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.state.arn}/attested/${each.key}/${var.ecr_repository}/*"]
  }
}

resource "aws_iam_role_policy_attachment" "github_deploy" {
  for_each = local.github_environments

  role       = aws_iam_role.github_deploy[each.key].name
  policy_arn = aws_iam_policy.deploy[each.key].arn
}
