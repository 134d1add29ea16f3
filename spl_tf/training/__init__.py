"""The training loop and all it needs: one step, state and checkpoints, schedules, precision, devices."""
