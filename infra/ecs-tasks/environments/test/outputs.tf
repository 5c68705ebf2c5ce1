# The contract with xtask, which reads `terraform output -json` and nothing else. A change
# here is a change there.

output "cluster" {
  description = "The name of the ECS cluster"
  value       = data.aws_ecs_cluster.this.cluster_name
}

output "subnets" {
  description = "The subnets that tasks run in"
  value       = sort(data.aws_subnets.this.ids)
}

output "security_groups" {
  description = "The security groups that tasks run with"
  value       = module.ecs_tasks.security_groups
}

output "assign_public_ip" {
  description = "Whether a task gets a public address"
  value       = local.assign_public_ip
}

output "platform_version" {
  description = "The Fargate platform version that tasks run on"
  value       = module.ecs_tasks.platform_version
}

output "log_group" {
  description = "The log group of all tasks"
  value       = module.ecs_tasks.log_group
}

output "task_definitions" {
  description = "Task to the ARN of its task definition, with the revision"
  value       = module.ecs_tasks.task_definitions
}

output "container_names" {
  description = "Task to the names of its containers, the task's own first"
  value       = module.ecs_tasks.container_names
}

output "service_docker_tag" {
  description = "The tag of the image that the task definitions name; what a plan without a tag falls back to"
  value       = local.service_docker_tag
}

output "task_docker_tags" {
  description = "Tasks that run another image than all others: task to the tag of its own"
  value       = module.ecs_tasks.task_docker_tags
}
