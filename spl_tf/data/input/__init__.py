"""From shards to batches: order, blocks, views, augmentation, targets, pipeline."""
