"""Losses, one file each: functions (labels [B], logits [B, N]) -> loss per clip [B]."""
