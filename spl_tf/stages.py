"""The stages of one experiment, in their order: each is a gin scope, and an unscoped binding holds for all of them."""

STAGES = ("selfsup", "teacher", "pretrain", "finetune")
