# `cargo xtask` passes all variables of this root; each has a default, so that a plain
# `terraform plan` works as well. service_docker_tag is in a file of its own.

variable "aws_account_id" {
  description = "The AWS account that STAGE is in; any other account is refused"
  type        = string
  default     = "123456789012"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.aws_account_id))
    error_message = "aws_account_id is twelve digits."
  }
}

variable "platform" {
  description = "The platform that the image was built for: linux/amd64 or linux/arm64"
  type        = string
  default     = "linux/amd64"
  nullable    = false

  validation {
    condition     = contains(["linux/amd64", "linux/arm64"], var.platform)
    error_message = "platform is linux/amd64 or linux/arm64."
  }
}
