"""spl_tf: weakly labelled web videos and images turned into better pre-training.

Sub-Pseudo Labels (SPL) make pre-training classes out of the pair (weak label,
teacher prediction) of every web clip. The idea itself lives in `spl_tf.labels`,
the training loop in `spl_tf.training`, the clip record in `spl_tf.data`.
"""

__version__ = "0.1.0"
