"""A look at a folder of shards: what it holds, and clips of every class or cell as pictures."""
