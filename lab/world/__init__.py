"""The state of the practice cluster: what is set (causes) and what follows from it (consequences)."""
