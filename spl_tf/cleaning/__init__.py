"""Ways to clean noisy labels that the paper compares with: CleanNet, and confident learning (paper table 6)."""
