# The bucket is created by this very folder, so the first apply in an account keeps its
# state on disk and moves it here afterwards; README.md has the commands. This block is
# alone in its file so that a copy of the folder without it simply uses local state.
terraform {
  backend "s3" {
    bucket       = "api-terraform-state-123456789012"
    key          = "foundation.tfstate"
    region       = "us-east-1"
    use_lockfile = true
  }
}
