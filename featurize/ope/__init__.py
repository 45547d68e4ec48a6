"""Off-policy estimators: what a policy would have earned, from the log of another. Functions of arrays, numpy only.

A round is one logged choice: the context, the candidates, what the logging policy showed, with which probability
(`propensity`), and the `reward` that came of it. A policy is the probability it gives to each candidate of each round.
"""
