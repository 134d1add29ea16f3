"""Trained networks at work: scores of clips, predictions over web data, evaluation."""
