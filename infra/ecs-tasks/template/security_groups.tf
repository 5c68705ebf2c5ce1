################################################################################
# The tasks' network: nothing comes in, HTTPS goes out
#
# A task that needs a database gets a rule of its own here, for the database's port and to
# its security group, and the database's group one that lets this group in.
################################################################################

resource "aws_security_group" "tasks" {
  #checkov:skip=CKV2_AWS_5:It is attached when a task starts, which no plan shows.
  name        = "${local.prefix}-ecs-tasks"
  description = "ECS tasks of ${local.prefix}"
  vpc_id      = var.vpc_id

  tags = { Name = "${local.prefix}-ecs-tasks" }
}

# The image, the logs, the secrets and every AWS API are behind this port.
resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.tasks.id
  description       = "AWS APIs and other HTTPS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}
