"""What a stage trains a network for, one file each: the head, the loss, what is measured, and state of its own.

`objective.Objective` is all that the loop, the step, checkpoints and TensorBoard know. A new objective is a file here
and a line in `spl_tf.configurables`: `train_stage.objective = @its_name`.
"""
