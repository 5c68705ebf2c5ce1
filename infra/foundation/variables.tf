variable "aws_account_id" {
  description = "The AWS account that everything is created in; any other account is refused"
  type        = string
  default     = "123456789012"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.aws_account_id))
    error_message = "aws_account_id is twelve digits."
  }
}

variable "region" {
  description = "The AWS region"
  type        = string
  default     = "us-east-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region is a region's name such as eu-central-1; a wildcard would reach others."
  }
}

variable "app" {
  description = "The application's name; it begins the name of everything that belongs to it"
  type        = string
  default     = "api"
  nullable    = false

  validation {
    # What belongs to an environment is named <app>-<environment>-*. An application whose name holds a
    # hyphen could be named like another one's environment, and be in reach of its policies.
    condition     = can(regex("^[a-z][a-z0-9]{0,19}$", var.app))
    error_message = "app is lower case letters and digits, at most 20 characters: names and policies are made of it, and a hyphen ends it there."
  }
}

variable "ecr_repository" {
  description = "The name of the ECR repository that holds the application's image"
  type        = string
  default     = "api"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]+([._/-][a-z0-9]+)*$", var.ecr_repository))
    error_message = "ecr_repository is words of lower case letters and digits, joined by one of . _ / -; a wildcard would reach others' images."
  }
}

variable "environments" {
  description = "The environments that live in this account; each gets a cluster, a dead letter queue, a permissions boundary, two policies and a deploy role"
  type        = set(string)
  default     = ["test", "stage"]
  nullable    = false

  validation {
    condition     = alltrue([for environment in var.environments : can(regex("^[a-z][a-z0-9]{0,11}$", environment))])
    error_message = "An environment is lower case letters and digits, at most 12 characters."
  }

  validation {
    condition     = !contains(var.environments, "terraform")
    error_message = "An environment's buckets are <app>-<environment>-*, and <app>-terraform-state-* holds the state of all of them."
  }
}

variable "disposable" {
  description = "Leaves out the dead letter queues and the expiry of old state versions: the provider watches each for up to a minute, and a local AWS that is thrown away needs neither"
  type        = bool
  default     = false
  nullable    = false
}

variable "github_repository" {
  description = "The GitHub repository, owner/name, whose workflows may deploy"
  type        = string
  default     = "example-org/background-tasks"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository is owner/name; a wildcard would trust strangers."
  }
}

variable "github_oidc" {
  description = "Where GitHub's OIDC provider comes from: \"create\" makes it, \"existing\" uses the one that the account has (there can be only one), \"off\" leaves it and the deploy roles out"
  type        = string
  default     = "create"
  nullable    = false

  validation {
    condition     = contains(["create", "existing", "off"], var.github_oidc)
    error_message = "github_oidc is create, existing or off."
  }
}
