"""The nightly job: the other jobs of one date as one run."""
