"""Losses, one file each: functions (labels [B], logits [B, N], epochs done) -> loss per clip [B]; of several
labels a clip (labels [B, N], logits [B, N], known [B, N], epochs done, class counts) -> [B]."""
