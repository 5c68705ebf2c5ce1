################################################################################
# Terraform's state, its lock files, and the holds on environments
################################################################################

resource "aws_s3_bucket" "state" {
  #checkov:skip=CKV_AWS_18:CloudTrail data events are where an account audits who read state; a log bucket per bucket is not.
  #checkov:skip=CKV_AWS_144:State can be imported anew; a second region would double what has to be guarded.
  #checkov:skip=CKV2_AWS_62:Nothing reacts to a state change.
  bucket = local.state_bucket

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id

  versioning_configuration {
    status = "Enabled"
  }
}

# With S3's own KMS key readers need no rights on a key, and each use of it is in CloudTrail.
resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm = "aws:kms"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket                  = aws_s3_bucket.state.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# A lock file is written and deleted with every plan; its old versions would pile up for ever.
resource "aws_s3_bucket_lifecycle_configuration" "state" {
  count = var.disposable ? 0 : 1

  bucket = aws_s3_bucket.state.id

  rule {
    id     = "expire-old-versions"
    status = "Enabled"
    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 90
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.state]
}

data "aws_iam_policy_document" "state_bucket" {
  statement {
    sid       = "DenyInsecureTransport"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.state.arn, "${aws_s3_bucket.state.arn}/*"]

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

resource "aws_s3_bucket_policy" "state" {
  bucket = aws_s3_bucket.state.id
  policy = data.aws_iam_policy_document.state_bucket.json

  # S3 refuses two changes to a bucket's access at the same moment.
  depends_on = [aws_s3_bucket_public_access_block.state]
}
