"""Shards that another program wrote, described once so that they are used as ours: their files stay as they are."""
