################################################################################
# Triggers: a task for each new object in a bucket
#
# S3 tells EventBridge, and a rule starts the task with the object's bucket and key as the
# last two arguments of its command. To add one, copy the module; `prefix` and `suffix`
# choose the keys, and both must match.
#
# S3 may tell of an object twice, and a task that fails is not started again: a triggered
# task must bear to be run twice, and by hand.
################################################################################

# example: begin
module "import_claims" {
  source = "../../modules/s3_ecs_trigger"

  name    = "${local.prefix}-import-claims"
  task    = local.startable["import-claims"]
  target  = local.target
  command = local.tasks["import-claims"].command

  bucket = aws_s3_bucket.claims.bucket
  prefix = "incoming/"
  suffix = ".csv"

  dead_letter_arn      = local.dead_letter_arn
  permissions_boundary = local.permissions_boundary
  role_path            = local.iam_path
}

################################################################################
# The bucket that claims arrive in
################################################################################

locals {
  claims_bucket_name = "${local.prefix}-claims-${var.aws_account_id}"
}

resource "aws_s3_bucket" "claims" {
  #checkov:skip=CKV_AWS_18:CloudTrail data events are where an account audits who read what.
  #checkov:skip=CKV_AWS_144:Claims are copies of what their sender has.
  #checkov:skip=CKV2_AWS_61:How long claims are kept is the business's decision, not a default's.
  bucket        = local.claims_bucket_name
  force_destroy = var.force_destroy_buckets
}

# Without this S3 tells EventBridge nothing.
resource "aws_s3_bucket_notification" "claims" {
  bucket      = aws_s3_bucket.claims.id
  eventbridge = true
}

resource "aws_s3_bucket_versioning" "claims" {
  bucket = aws_s3_bucket.claims.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "claims" {
  bucket = aws_s3_bucket.claims.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm = "aws:kms"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "claims" {
  bucket                  = aws_s3_bucket.claims.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

data "aws_iam_policy_document" "claims_bucket" {
  statement {
    sid       = "DenyInsecureTransport"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.claims.arn, "${aws_s3_bucket.claims.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "claims" {
  bucket = aws_s3_bucket.claims.id
  policy = data.aws_iam_policy_document.claims_bucket.json

  # S3 refuses two changes to a bucket's access at the same moment.
  depends_on = [aws_s3_bucket_public_access_block.claims]
}
# example: end
