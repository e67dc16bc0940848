"""The practice cluster's API server: the Kubernetes HTTP API over the objects of a world."""
