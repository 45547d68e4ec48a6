"""The experiment in the open: the demo world `paper` from its logs to the true value of every ranker."""
