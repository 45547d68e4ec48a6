"""Prompts to rankings: the rank job's steps, and table `choice`."""
