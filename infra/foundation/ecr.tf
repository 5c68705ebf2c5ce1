################################################################################
# The application's image
################################################################################

resource "aws_ecr_repository" "this" {
  name = var.ecr_repository
  # A tag is a git SHA: what ran under it yesterday is what runs under it tomorrow.
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
  }
}

# Only what no commit stands for expires. An image under a clean git SHA stays, because a
# rollback may need it; a second tag such as content-<hash> on it changes nothing.
#
# ECR expires images, not tags, and its patterns cannot say "unless it has a clean tag as
# well": a dirty tag must therefore never be put on an image that has a clean one.
resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name

  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "Images of uncommitted work, tagged <sha>-dirty-<hash>"
        selection = {
          tagStatus      = "tagged"
          tagPatternList = ["*-dirty-*"]
          countType      = "sinceImagePushed"
          countUnit      = "days"
          countNumber    = 14
        }
        action = { type = "expire" }
      },
      {
        rulePriority = 2
        description  = "Images without a tag"
        selection = {
          tagStatus   = "untagged"
          countType   = "sinceImagePushed"
          countUnit   = "days"
          countNumber = 7
        }
        action = { type = "expire" }
      },
    ]
  })
}
