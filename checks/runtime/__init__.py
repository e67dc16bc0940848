"""The container runtime: which it is, whether it runs, and how it is configured."""
