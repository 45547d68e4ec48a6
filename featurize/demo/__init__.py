"""The demo world: a rendered catalogue and simulated members, the only place where the truth is known."""
