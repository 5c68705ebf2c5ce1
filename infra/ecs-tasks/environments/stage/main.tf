# STAGE: what main is before it goes further. It has no auto-deploy; api-deploy.yml deploys it.
terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # A backend takes no variables. sandbox.tfbackend replaces the bucket for the local AWS.
  backend "s3" {
    bucket       = "api-terraform-state-123456789012"
    key          = "ecs-tasks/stage.tfstate"
    region       = "us-east-1"
    use_lockfile = true
  }
}

locals {
  app         = "api"
  environment = "stage"
  region      = "us-east-1"
}

provider "aws" {
  region              = local.region
  allowed_account_ids = [var.aws_account_id]

  default_tags {
    tags = {
      App         = local.app
      Environment = local.environment
      ManagedBy   = "infra/ecs-tasks/environments/${local.environment}"
    }
  }
}

# Made by infra/foundation.
data "aws_ecr_repository" "this" {
  name = local.app
}

data "aws_ecs_cluster" "this" {
  cluster_name = "${local.app}-${local.environment}"
}

module "ecs_tasks" {
  source = "../../template"

  app            = local.app
  environment    = local.environment
  aws_account_id = var.aws_account_id
  region         = local.region

  repository_url     = data.aws_ecr_repository.this.repository_url
  repository_arn     = data.aws_ecr_repository.this.arn
  service_docker_tag = local.service_docker_tag
  task_docker_tags   = local.task_docker_tags
  platform           = var.platform

  cluster_arn      = data.aws_ecs_cluster.this.arn
  vpc_id           = data.aws_vpc.this.id
  subnets          = data.aws_subnets.this.ids
  assign_public_ip = local.assign_public_ip
}
