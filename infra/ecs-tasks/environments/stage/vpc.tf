# The account's default VPC, whose subnets are public: a task there reaches ECR only with a
# public address. Adapt all three to where your tasks belong, for example by a tag on the
# private subnets, with assign_public_ip = false.
locals {
  assign_public_ip = true
}

data "aws_vpc" "this" {
  default = true
}

data "aws_subnets" "this" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.this.id]
  }
}
