"""One framework each: a process that trains or runs a network whenever it is told to, see `tools.benchmark.contest`."""
