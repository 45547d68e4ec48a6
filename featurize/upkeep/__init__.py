"""The jobs that keep a store small: few parts of many, and nothing kept that nobody can see."""
