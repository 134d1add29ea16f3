"""One page for a finished recipe: results, matrix of queries and predictions, labels, training, clips, settings."""
