"""Every table and file a user gives: read right, or refused in one sentence."""
