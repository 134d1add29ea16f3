"""The idea of the paper: what label a web clip gets, from its query and the teacher's prediction.

`strategies` holds the method, `confusion` the counting, `sidecar_files` the files, `assign` runs it over
a whole web set. numpy, pyarrow and matplotlib only: nothing here imports TensorFlow.
"""
