"""A clip's way from the video file to the batch. Knows nothing of models."""
