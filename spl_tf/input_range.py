"""The range of a network's input: one scalar mean and deviation for all channels, RGB order.

Those of the Non-local Networks' reference code, 114.75 and 57.375 of 255. Here, above `data` and
`models`, because both need them and neither knows the other.
"""

MEAN = 0.45
DEVIATION = 0.225
