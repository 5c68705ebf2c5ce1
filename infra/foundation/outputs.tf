output "state_bucket" {
  description = "The bucket of all Terraform states"
  value       = aws_s3_bucket.state.bucket
}

output "ecr_repository_url" {
  description = "Where the image is pushed to, without a tag"
  value       = aws_ecr_repository.this.repository_url
}

output "clusters" {
  description = "Environment to the name of its ECS cluster"
  value       = { for environment, cluster in aws_ecs_cluster.this : environment => cluster.name }
}

output "run_policy_arns" {
  description = "Environment to the policy for those who run and try"
  value       = { for environment, policy in aws_iam_policy.run : environment => policy.arn }
}

output "deploy_policy_arns" {
  description = "Environment to the policy for those who deploy, attached together with the one above"
  value       = { for environment, policy in aws_iam_policy.deploy : environment => policy.arn }
}

output "github_deploy_role_arns" {
  description = "Environment to the role that its GitHub workflows assume"
  value       = { for environment, role in aws_iam_role.github_deploy : environment => role.arn }
}
