"""gin bindings: read, ranked, checked and documented; `spl_tf.configuration` puts them together."""
