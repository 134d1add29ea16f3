"""From a manifest to shards: plan, cutting in worker processes, resume."""
